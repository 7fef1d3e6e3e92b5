# bash completion for fapwsctl. `make install` puts it where bash-completion finds it; without that package:
#   . PREFIX/share/bash-completion/completions/fapwsctl

_fapwsctl_pools() {
    # The names of the [app:NAME] sections of the configuration that the command line names.
    local at file=/etc/fapws.ini
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in -c | --config) file=${COMP_WORDS[at + 1]} ;; esac
    done
    sed -n 's/^\[app:\([^]:]*\)\].*/\1/p' "${file/#\~/$HOME}" 2>/dev/null
}

_fapwsctl() {
    local now=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} word command='' words
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            start | stop | restart | reload | rollback | upgrade | reopen | scale | drain | undrain | status | stack | top | profile | why | health | configtest | dump | translate)
                command=$word
                ;;
        esac
    done
    case $before in
        -c | --config | translate | -x | --execute)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$now")
            return
            ;;
        -t | --timeout | -d | --delay | -n | --times) return ;;
        rollback | scale | drain | undrain | stack | profile) words=$(_fapwsctl_pools) ;;
        *)
            case $command:$now in
                :-*) words='-c --config -j --json -t --timeout -h --help' ;;
                start:-*) words='-F --foreground -t --timeout -j --json' ;;
                top:-*) words='-d --delay -b --batch -n --times -t --timeout' ;;
                translate:-*) words='-x --execute -j --json' ;;
                profile:-*) words='-m --memory -t --timeout -j --json' ;;
                *:-*) words='-t --timeout -j --json' ;;
                :*) words='start stop restart reload rollback upgrade reopen scale drain undrain status stack top profile why health configtest dump translate' ;;
                *) return ;;
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$now")
}

complete -F _fapwsctl fapwsctl
