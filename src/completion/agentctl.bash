# shellcheck shell=bash
# bash completion for agentctl(1). The words come from the registry, through "agentctl __complete": no bus is asked.

_agentctl_sessions() { # SCOPE KIND...
    local scope=$1 kind
    shift
    # shellcheck disable=SC2086 # no scope is no argument
    for kind; do agentctl $scope __complete "$kind" 2>/dev/null; done | sort -u
}

_agentctl() {
    local cur prev words cword split
    _init_completion -s || return

    local globals='--user --system --json --no-color --version --help'
    local verb='' scope='' i
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
            --user | --system) scope=${words[i]} ;;
            -*) ;;
            *)
                verb=${words[i]}
                break
                ;;
        esac
    done
    if [[ ! $verb ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$globals $(agentctl __complete verbs 2>/dev/null)" -- "$cur")
        return
    fi

    local flags='' valued=''
    case $verb in
        run)
            flags='--clean-env --queue --persist --reuse --replace -d --detach --wait -f --follow --scope --dry-run'
            valued='-n --name -C --cwd -e --env --env-file --ttl --stop-timeout -p --project --group --agent
                --work-item --label --port --restart --restart-delay --restart-max-delay --restart-early --restart-limit
                --no-restart-on --ready --ready-timeout --ready-interval --unhealthy --pool --max --priority --queue-timeout --on-end --exclusive --source --uid --stdout --stderr
                --log-max'
            ;;
        list) flags='-a --all' valued='-p --project --group --state' ;;
        logs) flags='-f --follow -t --times' valued='-n --lines --since --stream' ;;
        stop) flags='--all --remove' valued='-p --project --group --reason --timeout' ;;
        wait) valued='-p --project --group --for --timeout' ;;
        kill) valued='-p --project --group -s --signal' ;;
        cancel) valued='--reason' ;;
        flow) flags='-a --all --wait --check --stop' valued='--reason --timeout' ;;
        apply) flags='--check --wait --no-wait' valued='--require-git-workdir -p --project --agent --work-item' ;;
        context) valued='-p --project --format --max-bytes' ;;
        hint) valued='--agent --work-item' ;;
        events) flags='-f --follow' valued='-p --project --group' ;;
        serve) flags='--token --i-know' valued='--listen --socket --idle' ;;
        adopt) valued='-n --name -p --project --group --agent --work-item --ttl --stop-timeout --on-end' ;;
        restart) valued='-e --env' ;;
        prune) valued='--older-than' ;;
    esac

    # What of the line is an option or its value, and how many other words there are before the cursor.
    local arguments=0 takes_value="|${valued//[[:space:]]/|}|"
    for ((++i; i < cword; i++)); do
        case ${words[i]} in
            --user | --system) scope=${words[i]} ;;
            --)
                [[ $verb == run ]] && { ((++i)); break; }
                ;;
            -*) [[ $takes_value == *"|${words[i]}|"* ]] && ((++i)) ;;
            *)
                [[ $verb == run ]] && break
                ((++arguments))
                ;;
        esac
    done
    # The command to run has its own completion. (An option that still wants its value has put i behind the cursor.)
    if [[ $verb == run ]] && ((i <= cword)) && [[ ${words[i]} != -* || ${words[i - 1]} == -- ]]; then
        _command_offset "$i"
        return
    fi

    # Only in this place: "-n" is a name for run and a number for logs.
    case $verb:$prev in
        run:-C | run:--cwd) _filedir -d && return ;;
        run:--env-file | run:--stdout | run:--stderr) _filedir && return ;;
        run:--uid) mapfile -t COMPREPLY < <(compgen -u -- "$cur") && return ;;
        run:-e | run:--env | restart:-e | restart:--env) mapfile -t COMPREPLY < <(compgen -e -- "$cur") && return ;;
        list:--state)
            mapfile -t COMPREPLY < <(compgen -W 'queued starting running stopping restarting exited failed stopped
                expired cancelled parked lost' -- "$cur")
            return
            ;;
        logs:--stream) mapfile -t COMPREPLY < <(compgen -W 'stdout stderr' -- "$cur") && return ;;
        wait:--for) mapfile -t COMPREPLY < <(compgen -W 'exit ready healthy' -- "$cur") && return ;;
        kill:-s | kill:--signal)
            mapfile -t COMPREPLY < <(compgen -W 'TERM INT HUP QUIT KILL STOP CONT USR1 USR2 WINCH' -- "$cur")
            return
            ;;
    esac
    [[ $takes_value == *"|$prev|"* ]] && return
    $split && return

    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags $valued $globals" -- "$cur")
        return
    fi
    local names=''
    case $verb in
        stop | kill) names=$(_agentctl_sessions "$scope" live) ;;
        extend) ((arguments)) || names=$(_agentctl_sessions "$scope" live) ;;
        status | why | logs) ((arguments)) || names=$(_agentctl_sessions "$scope" live ended) ;;
        wait | restart) names=$(_agentctl_sessions "$scope" live ended) ;;
        rm) names=$(_agentctl_sessions "$scope" ended) ;;
        cancel) names=$(_agentctl_sessions "$scope" queued) ;;
        adopt) mapfile -t COMPREPLY < <(compgen -W "$(ps -u "$EUID" -o pid=)" -- "$cur") && return ;;
        apply) _filedir json && return ;;
        flow)
            if ((arguments == 0)); then
                names='run list status wait cancel resume'
            elif ((arguments == 1)) && [[ $prev == run ]]; then
                _filedir json && return
            elif ((arguments == 1)); then
                names=$(_agentctl_sessions "$scope" flows)
            fi
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$cur")
} &&
    complete -F _agentctl agentctl

# ex: filetype=bash
