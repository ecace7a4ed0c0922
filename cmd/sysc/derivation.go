package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
)

func (a *app) derivationCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "derivation",
		Short:   "Look into the steps that a build consists of",
		Example: "  sysc derivation show derivation.hello",
	}
	cmd.AddCommand(a.derivationShowCommand())
	return cmd
}

func (a *app) derivationShowCommand() *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use:   "show [TARGET]",
		Short: "Print what a derivation consists of",
		Long: `Print what a derivation consists of, without building anything. A TARGET is what
sysc build takes, or the hash of a derivation.

For people, ids of store paths are left out; --json has everything.`,
		Example: "  sysc derivation show derivation.hello\n  sysc derivation show --recursive --json",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.derivationShow(cmd.Context(), strings.Join(args, ""), recursive)
		},
	}
	a.projectFlags(cmd)
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "all that it needs, too")
	return cmd
}

// A listedDerivation is a derivation of a graph as JSON.
type listedDerivation struct {
	Hash       string                  `json:"hash"`
	Label      string                  `json:"label,omitempty"`
	Position   string                  `json:"position,omitempty"`
	Derivation *derivations.Derivation `json:"derivation"`
}

func (a *app) derivationShow(ctx context.Context, arg string, recursive bool) error {
	g, ref, _, err := a.derivationOf(ctx, arg)
	if err != nil {
		return err
	}
	hashes := []derivations.Hash{ref.Derivation}
	if recursive {
		hashes = g.Behind([]derivations.Ref{ref})
		slices.Reverse(hashes) // what was asked for comes first
	}
	listed := make([]listedDerivation, len(hashes))
	for i, h := range hashes {
		d, _ := g.Derivation(h)
		o := g.Origin(h)
		listed[i] = listedDerivation{h.String(), o.Label, o.Position, d}
	}
	if a.json {
		return a.printJSON(listed)
	}
	return a.printLines(func(w io.Writer) {
		for i, l := range listed {
			if i > 0 {
				fmt.Fprintln(w)
			}
			writeDerivation(w, g, &l)
		}
	})
}

// writeDerivation writes a derivation for people.
func writeDerivation(w io.Writer, g *derivations.Graph, l *listedDerivation) {
	d := l.Derivation
	fmt.Fprintln(w, d.Name)
	field := func(name, text string) {
		for line := range strings.Lines(text) {
			fmt.Fprintf(w, "  %-12s%s\n", name, printable(strings.TrimSuffix(line, "\n")))
			name = ""
		}
	}
	if l.Label != "" {
		at := l.Label
		if l.Position != "" {
			at += " at " + l.Position
		}
		field("made by", at)
	}
	field("hash", l.Hash)
	field("platform", d.Platform)
	field("builder", d.Builder)
	field("root", derivations.Readable(d.Root))
	if d.WritableRoot {
		field("", "which it may change")
	}
	for i, arg := range d.Args {
		field(fmt.Sprintf("args[%d]", i), derivations.Readable(arg))
	}
	field("attributes", derivations.Readable(string(d.Attrs)))
	for i, key := range slices.Sorted(maps.Keys(d.Env)) {
		field(first(i, "environment"), key+"="+derivations.Readable(d.Env[key]))
	}
	for i, in := range d.Inputs {
		of, _ := g.Derivation(in.Derivation)
		field(first(i, "inputs"), of.ObjectName(in.Output)+"  "+in.Derivation.String())
	}
	for i, p := range d.Sources {
		field(first(i, "sources"), string(p))
	}
	field("outputs", strings.Join(d.OutputNames(), ", "))
	for i, limit := range describeLimits(d) {
		field(first(i, "limits"), limit)
	}
	if f := d.Fixed; f != nil {
		field("result", f.Mode()+" "+f.Digest.String())
	}
}

// first returns the name of a list at its first element.
func first(i int, name string) string {
	if i > 0 {
		return ""
	}
	return name
}

// describeLimits writes each limit that there is.
func describeLimits(d *derivations.Derivation) []string {
	var out []string
	limit := func(name string, value any) {
		out = append(out, fmt.Sprintf("%s = %v", name, value))
	}
	list := func(name string, elements []string) {
		limit(name, "["+derivations.Readable(strings.Join(elements, ", "))+"]")
	}
	l, run := &d.Limits, &d.RunLimits
	if l.References != nil {
		list(derivations.AllowedReferences, *l.References)
	}
	if l.Requisites != nil {
		list(derivations.AllowedRequisites, *l.Requisites)
	}
	if len(l.DisallowedReferences) > 0 {
		list(derivations.DisallowedReferences, l.DisallowedReferences)
	}
	if len(l.DisallowedRequisites) > 0 {
		list(derivations.DisallowedRequisites, l.DisallowedRequisites)
	}
	if l.MaxSize > 0 {
		limit(derivations.MaxSize, l.MaxSize)
	}
	if l.MaxClosureSize > 0 {
		limit(derivations.MaxClosureSize, l.MaxClosureSize)
	}
	if run.Timeout > 0 {
		limit(derivations.Timeout, run.Timeout)
	}
	if run.Silence > 0 {
		limit(derivations.MaxSilence, run.Silence)
	}
	if run.Log > 0 {
		limit(derivations.MaxLog, run.Log)
	}
	if run.Memory > 0 {
		limit(derivations.Memory, run.Memory)
	}
	return out
}
