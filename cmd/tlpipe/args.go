package main

import "strings"

// interspersed moves flags before the other arguments, so that `run CONFIG --set a=b` works as well as
// `run --set a=b CONFIG`: the library stops at the first argument that is not a flag.
func interspersed(args []string) []string {
	if len(args) < 3 {
		return args
	}
	valued := map[string]bool{}
	for _, command := range app(nil, nil).Commands {
		if !command.HasName(args[1]) {
			continue
		}
		for _, flag := range command.Flags {
			takes, ok := flag.(interface{ TakesValue() bool })
			for _, name := range flag.Names() {
				valued[name] = ok && takes.TakesValue()
			}
		}
	}
	flags, rest := []string{}, []string{}
	for i := 2; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			flags = append(flags, arg) // first, for all that follows is no flag
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		flags = append(flags, arg)
		name := strings.TrimLeft(arg, "-")
		if !strings.Contains(name, "=") && valued[name] && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	return append(append(args[:2:2], flags...), rest...)
}
