complete -c holdfastd -s c -l config -d 'The configuration file' -r -F
complete -c holdfastd -l run-dir -d 'The directory for the pid file and the sockets; one for each daemon' -r -F
complete -c holdfastd -l log-level -d 'error, warn, info, debug or trace' -r
complete -c holdfastd -l log-target -d 'stderr, syslog, journal, or the name of a file [default: stderr in the foreground, else syslog]' -r
complete -c holdfastd -s n -l foreground -d 'Stay in the foreground'
complete -c holdfastd -l check -d 'Check the configuration and exit'
complete -c holdfastd -l vrrp-only -d 'Run no checker, whatever the configuration says'
complete -c holdfastd -l checker-only -d 'Run no VRRP, whatever the configuration says'
complete -c holdfastd -s h -l help -d 'Print help'
complete -c holdfastd -s V -l version -d 'Print version'
