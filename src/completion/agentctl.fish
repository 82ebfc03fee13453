# fish completion for agentctl(1). The names come from the registry, through "agentctl __complete": no bus is asked.

function __agentctl_verb
    # The first word that is no option.
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and continue
        echo $word
        return 0
    end
    return 1
end

function __agentctl_needs_verb
    not __agentctl_verb >/dev/null
end

function __agentctl_is
    contains -- (__agentctl_verb) $argv
end

# Where on the line the command stands that "run" is to start: from there on, every word is the command's. Fails where
# an option, or the value of one, is expected.
function __agentctl_command
    __agentctl_is run; or return 1
    set -l words (commandline -opc)
    set -l valued -n --name -C --cwd -e --env --env-file --ttl --stop-timeout -p --project --group --agent --work-item \
        --label --port --restart --restart-delay --restart-max-delay --restart-early --restart-limit --no-restart-on \
        --ready --ready-timeout --ready-interval --unhealthy \
        --pool --max --priority --queue-timeout --on-end --exclusive --source --uid --stdout --stderr --log-max
    set -l is_verb_seen no
    set -l is_value no
    for i in (seq 2 (count $words))
        if test $is_value = yes
            set is_value no
        else if test "$words[$i]" = --
            math $i + 1
            return 0
        else if contains -- $words[$i] $valued
            set is_value yes
        else if string match -q -- '-*' $words[$i]
            continue
        else if test $is_verb_seen = yes
            echo $i
            return 0
        else
            set is_verb_seen yes
        end
    end
    test $is_value = no; and not string match -q -- '-*' (commandline -ct); and math (count $words) + 1
end

function __agentctl_is_run_option
    __agentctl_is run; and not __agentctl_command >/dev/null
end

function __agentctl_complete_command
    set -l words (commandline -opc)
    set -l rest (string escape -- $words[(__agentctl_command)..-1]) (commandline -ct)
    complete -C "$rest"
end

function __agentctl_sessions
    set -l scope (string match -- '--user' (commandline -opc); string match -- '--system' (commandline -opc))
    for kind in $argv
        agentctl $scope[-1] __complete $kind 2>/dev/null
    end
end

complete -c agentctl -f

complete -c agentctl -n __agentctl_needs_verb -a '(agentctl __complete verbs 2>/dev/null)'

# Everywhere but behind the command that "run" is to start.
set -l anywhere '__agentctl_is_run_option; or not __agentctl_is run'
complete -c agentctl -n $anywhere -l user -d 'Sessions of your own systemd'
complete -c agentctl -n $anywhere -l system -d 'Sessions of the system manager'
complete -c agentctl -n $anywhere -l json -d 'Print JSON'
complete -c agentctl -n $anywhere -l no-color -d 'No colours'
complete -c agentctl -n $anywhere -l version -d 'Show the version'
complete -c agentctl -n $anywhere -s h -l help -d 'Show help'

complete -c agentctl -n __agentctl_is_run_option -s n -l name -x -d 'Name, unique among live sessions'
complete -c agentctl -n __agentctl_is_run_option -s C -l cwd -x -a '(__fish_complete_directories)' -d 'Folder to run in'
complete -c agentctl -n __agentctl_is_run_option -s e -l env -x -a '(set -xn)' -d 'Set a variable, or pass your own on'
complete -c agentctl -n __agentctl_is_run_option -l env-file -r -F -d 'Variables, one K=V a line'
complete -c agentctl -n __agentctl_is_run_option -l clean-env -d 'Start from a minimal environment'
complete -c agentctl -n __agentctl_is_run_option -l ttl -x -d 'Time limit'
complete -c agentctl -n __agentctl_is_run_option -l stop-timeout -x -d 'From SIGTERM to SIGKILL on stop'
complete -c agentctl -n __agentctl_is_run_option -l restart -x -a 'no on-failure always' -d 'Start again when it has ended'
complete -c agentctl -n __agentctl_is_run_option -l restart-delay -x -d 'Before the first restart'
complete -c agentctl -n __agentctl_is_run_option -l restart-max-delay -x -d 'At most'
complete -c agentctl -n __agentctl_is_run_option -l restart-early -x -d 'A longer run begins anew'
complete -c agentctl -n __agentctl_is_run_option -l restart-limit -x -d 'So many early ends in a row park it'
complete -c agentctl -n __agentctl_is_run_option -l ready -x -a 'tcp: unix: cmd: log: notify http://' -d 'When it is ready'
complete -c agentctl -n __agentctl_is_run_option -l ready-timeout -x -d 'It has failed when it is not ready by then'
complete -c agentctl -n __agentctl_is_run_option -l ready-interval -x -d 'Between checks'
complete -c agentctl -n __agentctl_is_run_option -l unhealthy -x -a 'report restart stop' -d 'What follows 3 failed checks'
complete -c agentctl -n __agentctl_is_run_option -l no-restart-on -x -d 'An exit code that parks it at once'
complete -c agentctl -n __agentctl_is_run_option -l pool -x -d 'Take a slot of this pool'
complete -c agentctl -n __agentctl_is_run_option -l max -x -d 'Slots of the pool'
complete -c agentctl -n __agentctl_is_run_option -l priority -x -d 'Place in line'
complete -c agentctl -n __agentctl_is_run_option -l queue -d 'Do not wait for a slot'
complete -c agentctl -n __agentctl_is_run_option -l queue-timeout -x -d 'Wait no longer for a slot'
complete -c agentctl -n __agentctl_is_run_option -l persist -d 'Start it again after a reboot or logout'
complete -c agentctl -n __agentctl_is_run_option -l on-end -x -d 'Run this with sh when it has ended'
complete -c agentctl -n __agentctl_is_run_option -l exclusive -x -d 'A key that only one live session may have'
complete -c agentctl -n __agentctl_is_run_option -l source -x -d 'One live session for each source and project'
complete -c agentctl -n __agentctl_is_run_option -l reuse -d 'Give the one that lives'
complete -c agentctl -n __agentctl_is_run_option -l replace -d 'End the one that lives first'
complete -c agentctl -n __agentctl_is_run_option -s p -l project -x -d 'Project that it belongs to'
complete -c agentctl -n __agentctl_is_run_option -l group -x -d 'Group that it belongs to'
complete -c agentctl -n __agentctl_is_run_option -l agent -x -d 'Agent that it belongs to'
complete -c agentctl -n __agentctl_is_run_option -l work-item -x -d 'What it works on'
complete -c agentctl -n __agentctl_is_run_option -l label -x -d 'A label, K=V'
complete -c agentctl -n __agentctl_is_run_option -l port -x -a auto -d 'Port to hold for it'
complete -c agentctl -n __agentctl_is_run_option -l uid -x -a '(__fish_complete_users)' -d 'Run as this user'
complete -c agentctl -n __agentctl_is_run_option -s d -l detach -d 'Return when it has started'
complete -c agentctl -n __agentctl_is_run_option -l wait -d 'Return when it has ended, with its status'
complete -c agentctl -n __agentctl_is_run_option -s f -l follow -d 'Show its output, return with its status'
complete -c agentctl -n __agentctl_is_run_option -l scope -d 'Run it here, on this terminal'
complete -c agentctl -n __agentctl_is_run_option -l stdout -r -F -d 'Append its output to this file too'
complete -c agentctl -n __agentctl_is_run_option -l stderr -r -F -d 'Append its errors to this file too'
complete -c agentctl -n __agentctl_is_run_option -l log-max -x -d 'Then FILE becomes FILE.1'
complete -c agentctl -n __agentctl_is_run_option -l dry-run -d 'Print the unit that would be made, make nothing'
complete -c agentctl -n '__agentctl_command >/dev/null' -x -a '(__agentctl_complete_command)'

complete -c agentctl -n '__agentctl_is list' -s a -l all -d 'Also those that have ended'
complete -c agentctl -n '__agentctl_is list' -s p -l project -x -d 'Of this project'
complete -c agentctl -n '__agentctl_is list' -l group -x -d 'Of this group'
complete -c agentctl -n '__agentctl_is list' -l state -x -d 'In this state' \
    -a 'queued starting running stopping restarting exited failed stopped expired cancelled parked lost'

complete -c agentctl -n '__agentctl_is status why logs wait restart' -a '(__agentctl_sessions live ended)'
complete -c agentctl -n '__agentctl_is stop kill extend' -a '(__agentctl_sessions live)'
complete -c agentctl -n '__agentctl_is cancel' -a '(__agentctl_sessions queued)'
complete -c agentctl -n '__agentctl_is cancel' -l reason -x -d 'Why, for the record'
complete -c agentctl -n '__agentctl_is flow; and not __fish_seen_subcommand_from run list status wait cancel resume' \
    -a 'run list status wait cancel resume'
complete -c agentctl -n '__agentctl_is flow; and __fish_seen_subcommand_from status wait cancel resume' \
    -a '(__agentctl_sessions flows)'
complete -c agentctl -n '__agentctl_is flow; and __fish_seen_subcommand_from run' -F
complete -c agentctl -n '__agentctl_is flow' -l wait -d 'Return when it has ended'
complete -c agentctl -n '__agentctl_is flow' -l check -d 'Only read the file'
complete -c agentctl -n '__agentctl_is flow' -l stop -d 'Stop the steps that run, too'
complete -c agentctl -n '__agentctl_is flow' -l reason -x -d 'Why, for the record'
complete -c agentctl -n '__agentctl_is flow' -l timeout -x -d 'Give up after so long'
complete -c agentctl -n '__agentctl_is flow' -s a -l all -d 'Also those that have ended'
complete -c agentctl -n '__agentctl_is apply' -F
complete -c agentctl -n '__agentctl_is apply' -l check -d 'Only read the file'
complete -c agentctl -n '__agentctl_is apply' -l require-git-workdir -x -a 'yes no' -d 'Whether a folder has to be a git work tree'
complete -c agentctl -n '__agentctl_is apply' -s p -l project -x -d 'Project that they belong to'
complete -c agentctl -n '__agentctl_is apply' -l agent -x -d 'Agent that must have written it'
complete -c agentctl -n '__agentctl_is apply' -l work-item -x -d 'Work item that it must be for'
complete -c agentctl -n '__agentctl_is apply' -l wait -d 'Return when all are healthy or one has failed'
complete -c agentctl -n '__agentctl_is apply' -l no-wait -d 'Return when they have been started'
complete -c agentctl -n '__agentctl_is context' -s p -l project -x -d 'The project of the agent'
complete -c agentctl -n '__agentctl_is context' -l format -x -a 'markdown json' -d 'How'
complete -c agentctl -n '__agentctl_is context' -l max-bytes -x -d 'A short form where the full one is longer'
complete -c agentctl -n '__agentctl_is hint' -l agent -x -d 'Who the agent is'
complete -c agentctl -n '__agentctl_is hint' -l work-item -x -d 'What it works on'
complete -c agentctl -n '__agentctl_is events' -s f -l follow -d 'What happens from now on'
complete -c agentctl -n '__agentctl_is events adopt' -s p -l project -x -d 'Project'
complete -c agentctl -n '__agentctl_is events adopt' -l group -x -d 'Group'
complete -c agentctl -n '__agentctl_is serve' -l listen -x -d 'A TCP port instead of the socket'
complete -c agentctl -n '__agentctl_is serve' -l socket -r -d 'This socket'
complete -c agentctl -n '__agentctl_is serve' -l idle -x -d 'End after so long without a connection'
complete -c agentctl -n '__agentctl_is serve' -l token -d 'Print the token for --listen, and end'
complete -c agentctl -n '__agentctl_is serve' -l i-know -d 'Allow an address that others can reach'
complete -c agentctl -n '__agentctl_is adopt' -x -a '(__fish_complete_pids)'
complete -c agentctl -n '__agentctl_is adopt' -s n -l name -x -d 'Name, unique among live sessions'
complete -c agentctl -n '__agentctl_is adopt' -l agent -x -d 'Agent that it belongs to'
complete -c agentctl -n '__agentctl_is adopt' -l work-item -x -d 'What it works on'
complete -c agentctl -n '__agentctl_is adopt' -l ttl -x -d 'Time limit from now on'
complete -c agentctl -n '__agentctl_is adopt' -l stop-timeout -x -d 'From SIGTERM to SIGKILL on stop'
complete -c agentctl -n '__agentctl_is adopt' -l on-end -x -d 'Run this with sh when it has ended'
complete -c agentctl -n '__agentctl_is port' -x
complete -c agentctl -n '__agentctl_is rm' -a '(__agentctl_sessions ended)'

complete -c agentctl -n '__agentctl_is logs' -s f -l follow -d 'Go on with what it prints'
complete -c agentctl -n '__agentctl_is logs' -s n -l lines -x -d 'Only the last so many lines'
complete -c agentctl -n '__agentctl_is logs' -l since -x -d 'Only from then on: a time, or a span ago'
complete -c agentctl -n '__agentctl_is logs' -l stream -x -a 'stdout stderr' -d 'Only this one'
complete -c agentctl -n '__agentctl_is logs' -s t -l times -d 'Each line with its time'

complete -c agentctl -n '__agentctl_is stop kill wait' -s p -l project -x -d 'All of this project'
complete -c agentctl -n '__agentctl_is stop kill wait' -l group -x -d 'All of this group'
complete -c agentctl -n '__agentctl_is stop' -l all -d All
complete -c agentctl -n '__agentctl_is stop' -l remove -d 'Forget them then'
complete -c agentctl -n '__agentctl_is stop' -l reason -x -d 'Why, for the record'
complete -c agentctl -n '__agentctl_is stop' -l timeout -x -d 'From SIGTERM to SIGKILL'

complete -c agentctl -n '__agentctl_is wait' -l for -x -a 'exit ready healthy' -d 'What to wait for'
complete -c agentctl -n '__agentctl_is wait' -l timeout -x -d 'Give up after so long'

complete -c agentctl -n '__agentctl_is kill' -s s -l signal -x -d 'Name or number' \
    -a 'TERM INT HUP QUIT KILL STOP CONT USR1 USR2 WINCH'

complete -c agentctl -n '__agentctl_is restart' -s e -l env -x -a '(set -xn)' -d 'For an ended one: set a variable'

complete -c agentctl -n '__agentctl_is prune' -l older-than -x -d 'Default: 7d'
