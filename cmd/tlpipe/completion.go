package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"tlpipe/pipeline/exit"
)

// The scripts ask tlpipe itself, by --generate-bash-completion, for what fits.
const (
	bashCompletion = `_tlpipe() {
  local words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _tlpipe tlpipe
`
	zshCompletion = `#compdef tlpipe
_tlpipe() {
  local -a found
  found=("${(@f)$(${words[@]:0:#words[@]-1} --generate-bash-completion 2>/dev/null)}")
  _describe 'tlpipe' found || _files
}
compdef _tlpipe tlpipe
`
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a completion script: `source <(tlpipe completion bash)`", ArgsUsage: "bash|zsh",
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			script, ok := map[string]string{"bash": bashCompletion, "zsh": zshCompletion}[c.Args().First()]
			if !ok {
				return exit.Errorf(exit.Usage, "name a shell: tlpipe completion bash|zsh")
			}
			_, err := fmt.Fprint(c.App.Writer, script)
			return err
		},
	}
}
