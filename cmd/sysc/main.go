// Command sysc composes operating systems: see README.md, and sysc help.
//
// There is no logic here that a user of the packages would miss: the files of
// this package hold flags, wiring and printing, one verb each.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sysc/derivations/sandbox"
)

// version is set by the linker: see the Makefile. What is not a release counts
// as defaultVersion when a definition asks for one.
var version = "dev"

const defaultVersion = "0.1.0"

func main() {
	if sandbox.Main(os.Args) {
		return // this process was the inside of a sandbox
	}
	if err := sandbox.CheckCaller(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(exitError)
	}
	os.Exit(run(os.Args[1:], newGarbage()))
}

// run runs one command line and returns its exit code.
func run(args []string, g *garbage) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	app := newApp(os.Stdout, os.Stderr, os.Getenv)
	app.in, app.garbage = os.Stdin, g
	var stop func()
	app.signals, stop = handleSignals(cancel)
	defer stop()
	root := app.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	for _, f := range app.atEnd {
		err = errors.Join(err, f())
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w (%v)", context.Canceled, err)
	}
	app.report(err)
	return exitCodeOf(err)
}
