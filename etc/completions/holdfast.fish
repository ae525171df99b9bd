# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_holdfast_global_optspecs
    string join \n c/config= run-dir= h/help V/version
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
complete -c holdfast -n "__fish_holdfast_needs_command" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_needs_command" -s V -l version -d 'Print version'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "check" -d 'Check a configuration: every fault with its place, without touching anything'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "status" -d 'Show the state of the running daemon'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "reload" -d 'Make the running daemon read its configuration again, wholly or not at all'
complete -c holdfast -n "__fish_holdfast_using_subcommand check" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand check" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand check" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l json -d 'Print JSON, for programs'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -s c -l config -d 'The configuration file' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -l run-dir -d 'Where the daemon has its sockets' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -l dry-run -d 'Only say what would change'
complete -c holdfast -n "__fish_holdfast_using_subcommand reload" -s h -l help -d 'Print help'
