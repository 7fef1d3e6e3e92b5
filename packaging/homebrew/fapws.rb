class Fapws < Formula
  include Language::Python::Virtualenv

  desc "Small, fast, pre-forking WSGI server"
  homepage "https://example.org/fapws"
  # The address and the digest of the source distribution, once there is a release.
  url "https://example.org/fapws-5.0.0.dev1.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "BSD-2-Clause"

  depends_on "pkgconf" => :build
  depends_on "cffi"
  depends_on "libuv"
  depends_on "python@3.13"

  def install
    venv = virtualenv_create(libexec, "python3.13", system_site_packages: true)
    venv.pip_install_and_link buildpath
    man5.install "docs/fapws.ini.5"
    man8.install "docs/fapws.8", "docs/fapwsctl.8"
    bash_completion.install "conf/completion/fapwsctl.bash" => "fapwsctl"
    pkgshare.install "conf/samples/hello/hello.py"
    (buildpath/"fapws.ini").write Utils.safe_popen_read("sh", "packaging/ini.sh", var/"run/fapws", var/"log/fapws",
                                                        opt_pkgshare/"hello.py")
    etc.install "fapws.ini"
  end

  def post_install
    (var/"run/fapws").mkpath
    (var/"log/fapws").mkpath
  end

  service do
    run [opt_bin/"fapws", "-c", etc/"fapws.ini"]
    keep_alive true
    log_path var/"log/fapws/output.log"
    error_log_path var/"log/fapws/output.log"
  end

  test do
    system bin/"fapws", "--selftest=5"
  end
end
