# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_holdfast_global_optspecs
    string join \n c/config= run-dir= color= h/help V/version
end

function __fish_holdfast_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_holdfast_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_holdfast_using_subcommand
    set -l cmd (__fish_holdfast_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c holdfast -n "__fish_holdfast_needs_command" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_needs_command" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_needs_command" -s V -l version -d 'Print version'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "check" -d 'Check a configuration: every fault with its place, without touching anything'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "status" -d 'Show the state of the running daemon'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "events" -d 'Show what happened: transitions, faults, verdicts, restarts, reloads'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "top" -d 'Show everything on one screen, renewed, with what goes through it'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "connections" -d 'Show the connections in the kernel\'s table'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "reload" -d 'Make the running daemon read its configuration again, wholly or not at all'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "doctor" -d 'Look for what on this machine is in the way of the configuration'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "realserver" -d 'Make this machine a real server for direct routing or tunnels'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "digest" -d 'Ask a web server as a check would, and print the digest for the check'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "upgrade" -d 'Give place to the program that was installed'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "drain" -d 'Send a real server no new connections, and leave it those it has'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "disable" -d 'Take a real server out of its services'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "enable" -d 'Bring a real server back that was drained or disabled'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "weight" -d 'Give a real server another weight'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "failover" -d 'Have a master hand over to another machine, which keeps the addresses'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "maintenance" -d 'Have all masters here hand over, and be master of nothing meanwhile'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "release" -d 'End what was ordered by hand: back to the configuration'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "convert" -d 'Turn a keepalived.conf into a configuration of Holdfast'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "schema" -d 'Print a JSON Schema of the configuration, for editors'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "serve" -d 'Serve the status over HTTP: metrics, JSON, CSV and a page'
complete -c holdfast -n "__fish_holdfast_using_subcommand check" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand check" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand check" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -s o -l output -d 'How to print it' -r -f -a "text\t'For people, for a terminal of 80 columns'
wide\t'For people, with everything'
json\t'For programs'"
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -s w -l watch -d 'Show it again and again, every 2 or so many seconds, until q is pressed' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l state -d 'Show only what is in one of these states' -r -f -a "master\t'Virtual routers and groups that are master'
backup\t'Virtual routers and groups that are backup'
fault\t'Virtual routers and groups in fault'
init\t'Virtual routers and groups that have not begun'
up\t'Servers, scripts and processes that work'
down\t'Servers, scripts and processes that do not, and services without a quorum'"
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l json -d 'Print JSON, for programs: the same as -o json'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -s q -l quiet -d 'Print nothing: exit code 0 if all is well, 1 if something is wrong, 7 if the daemon does not run'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l down -d 'Show only what is down or in fault'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand events" -l since -d 'From when on: a duration before now (10m), or a time in UTC (2026-11-21T09:00:00Z)' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand events" -s n -d 'Only so many of the last ones' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand events" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand events" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand events" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand events" -s f -l follow -d 'Go on with what comes, until killed'
complete -c holdfast -n "__fish_holdfast_using_subcommand events" -l json -d 'Print JSON, an event a line, for programs'
complete -c holdfast -n "__fish_holdfast_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand top" -s i -l interval -d 'How often to look, in seconds; the kernel adds up its counters every two' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand top" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand top" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand top" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l service -d 'Only those to this service: ADDRESS, ADDRESS:PORT, ADDRESS/PREFIX, :PORT or "fwmark N"' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l server -d 'Only those that go to this real server' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l client -d 'Only those of this client' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l state -d 'Only those in such a state, such as established' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l protocol -d 'Only those of such a protocol: tcp, udp, sctp' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -s o -l output -d 'How to print it' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l from -d 'Read a table that was saved, not the kernel\'s' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l count -d 'Count them for each service and server'
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -l json -d 'Print JSON, for programs: the same as -o json'
complete -c holdfast -n "__fish_holdfast_using_subcommand connections" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -l dry-run -d 'Only say what would change; the exit status is 3 if anything would'
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -l json -d 'Print JSON, for programs'
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand doctor" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand doctor" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand doctor" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand doctor" -l json -d 'Print JSON, for programs'
complete -c holdfast -n "__fish_holdfast_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l vip -d 'The virtual addresses, with commas between' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l mode -d 'How the director forwards' -r -f -a "dr\t'Direct routing'
tun\t'Tunnels'"
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l tunnel -d 'The kind of tunnel' -r -f -a "ipip\t'IP in IP'
gue\t'Generic UDP encapsulation'
gre\t'Generic routing encapsulation'"
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l over -d 'The family of the packets that the tunnel is made of: that of this machine\'s address in the director\'s configuration [default: that of the virtual address]' -r -f -a "ipv4\t'IPv4'
ipv6\t'IPv6'"
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l port -d 'The UDP port of gue' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l device -d 'The interface that holds the addresses: lo, or the tunnel\'s end' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l state -d 'Where it is remembered what was there before' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand realserver" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand digest" -s s -l server -d 'Connect to this ADDRESS or ADDRESS:PORT instead of the URL\'s host' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand digest" -s V -l virtual-host -d 'The virtual host to ask for, instead of the URL\'s' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand digest" -l timeout -d 'Seconds to wait for the whole answer' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand digest" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand digest" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand digest" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand digest" -l http-1-0 -d 'Ask with HTTP/1.0'
complete -c holdfast -n "__fish_holdfast_using_subcommand digest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand upgrade" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand upgrade" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand upgrade" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand upgrade" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l for -d 'End it by itself after this time: 90s, 10m, 1h30m' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l reason -d 'Why, for the log and for those who look at the status' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand disable" -l for -d 'End it by itself after this time: 90s, 10m, 1h30m' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand disable" -l reason -d 'Why, for the log and for those who look at the status' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand disable" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand disable" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand disable" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand disable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand enable" -l for -d 'With --force: end that by itself after this time' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand enable" -l reason -d 'Why, for the log and for those who look at the status' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand enable" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand enable" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand enable" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand enable" -l force -d 'Have it serve whatever its checks say'
complete -c holdfast -n "__fish_holdfast_using_subcommand enable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand weight" -l for -d 'End it by itself after this time: 90s, 10m, 1h30m' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand weight" -l reason -d 'Why, for the log and for those who look at the status' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand weight" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand weight" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand weight" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand weight" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand failover" -l for -d 'End it by itself after this time: 90s, 10m, 1h30m' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand failover" -l reason -d 'Why, for the log and for those who look at the status' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand failover" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand failover" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand failover" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand failover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand maintenance" -l for -d 'End it by itself after this time: 90s, 10m, 1h30m' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand maintenance" -l reason -d 'Why, for the log and for those who look at the status' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand maintenance" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand maintenance" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand maintenance" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand maintenance" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand release" -l reason -d 'Why, for the log' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand release" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand release" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand release" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand release" -l all -d 'Everything that was ordered'
complete -c holdfast -n "__fish_holdfast_using_subcommand release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand convert" -s o -l output -d 'Write to this new file instead of standard output' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand convert" -l id -d 'The name that lines for `@NAME` are compared with, instead of the host\'s' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand convert" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand convert" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand convert" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand convert" -l keywords -d 'Only say what becomes of every keyword'
complete -c holdfast -n "__fish_holdfast_using_subcommand convert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand schema" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand schema" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand schema" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand serve" -l listen -d 'Where to listen: ADDRESS:PORT or unix:PATH' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand serve" -l compat -d 'Also give the metrics the names that another exporter has' -r -f -a "keepalived-exporter\t'That of keepalived'"
complete -c holdfast -n "__fish_holdfast_using_subcommand serve" -l token-file -d 'Take orders to drain and enable servers from who has the token in this file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand serve" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand serve" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand serve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c holdfast -n "__fish_holdfast_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
