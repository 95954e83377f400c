# fish completion for gatewayctl(1), which says itself what fits.

function __gatewayctl_complete
	set -l words (commandline -opc) (commandline -ct)
	gatewayctl complete $words[2..-1] 2>/dev/null
end

complete -c gatewayctl -f -a '(__gatewayctl_complete)'
complete -c gatewayctl -s s -l socket -r -F
complete -c gatewayctl -l pcapng -r -F
complete -c gatewayctl -l scl -r -F
