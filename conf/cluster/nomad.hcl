# Three instances of Fapws on Nomad: `nomad job run nomad.hcl`. docs/containers.md has the image.
# A new image runs as one instance more until it has been healthy for a while; then the others follow one by one. One
# that is not healthy in time takes the job back to the version before.
job "shop" {
  datacenters = ["dc1"]
  type        = "service"

  update {
    canary           = 1
    auto_promote     = true
    auto_revert      = true
    max_parallel     = 1
    health_check     = "checks"
    min_healthy_time = "10s"
    healthy_deadline = "2m"
  }

  group "shop" {
    count = 3

    # One machine that dies takes one instance along.
    spread {
      attribute = "${node.unique.id}"
    }

    network {
      port "http" {
        to = 8888
      }
      port "status" {
        to = 9117
      }
    }

    # Its check asks the master, which no worker delays.
    service {
      name     = "shop"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        port     = "status"
        path     = "/readyz"
        interval = "2s"
        timeout  = "1s"
      }
    }

    restart {
      attempts = 3
      interval = "5m"
      delay    = "5s"
      mode     = "fail"
    }

    task "shop" {
      driver = "docker"

      # More than stop_delay and drain_timeout together.
      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      config {
        image           = "shop:1"
        ports           = ["http", "status"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        command         = "fapwsctl"
        args            = ["-c", "/local/fapws.ini", "start", "-F"]
      }

      template {
        destination = "local/fapws.ini"
        data        = <<INI
[fapws]
error_log = stderr
status = 0.0.0.0:9117

[app:shop]
script = /srv/app/app.py
listen = 0.0.0.0:8888
workers = auto
stop_delay = 5s
drain_timeout = 20s
; request content beyond this needs a file, for which there is no place here
max_body_size = 1m
; what the balancer in front sets
trusted_proxies = 10.0.0.0/8
INI
      }

      resources {
        cpu    = 1000
        memory = 256
      }
    }
  }
}
