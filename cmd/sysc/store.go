package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sysc/internal/bytesize"
	"sysc/store"
	"sysc/store/localstore"
)

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "store",
		Short:   "Look into the store, add to it, look after it",
		Example: "  sysc store add ./firmware --out-link ./fw\n  sysc store info ./fw\n  sysc store verify",
	}
	cmd.AddCommand(
		a.storeAddCommand(), a.storeCatCommand(), a.storeLsCommand(), a.storeCheckoutCommand(), a.storeDiffCommand(),
		a.storeVerb(&cobra.Command{
			Use:     "info OBJECT",
			Short:   "What the store knows of an object: a store path, or a link to one",
			Example: "  sysc store info ./result",
			Args:    usageArgs(cobra.ExactArgs(1)),
		}, a.storeInfo),
		a.storeVerb(&cobra.Command{
			Use:     "closure OBJECT...",
			Short:   "List objects with all that they refer to",
			Example: "  sysc store closure ./result --json",
			Args:    usageArgs(cobra.MinimumNArgs(1)),
		}, a.storeClosure),
		a.storeVerb(&cobra.Command{
			Use:     "roots",
			Short:   "List what garbage collection keeps",
			Example: "  sysc store roots",
			Args:    usageArgs(cobra.NoArgs),
		}, a.storeRoots),
		a.storeVerifyCommand(),
		a.storeVerb(&cobra.Command{
			Use:     "optimise",
			Short:   "Make files of objects hard links again, after the store was copied without",
			Example: "  sysc store optimise",
			Args:    usageArgs(cobra.NoArgs),
		}, a.storeOptimise),
		a.storeExportCommand(), a.storeImportCommand(), a.storeCopyCommand(), a.storeKeyCommand(),
		a.gcCommand(), a.whyDependsCommand(),
	)
	return cmd
}

// storeVerb makes a verb that gets the open store, which has to be there.
func (a *app) storeVerb(cmd *cobra.Command, run func(context.Context, *localstore.Store, []string) error) *cobra.Command {
	return storeVerbWith(a.withExisting, cmd, run)
}

// storeFillVerb makes one that puts something in: it makes the store.
func (a *app) storeFillVerb(cmd *cobra.Command, run func(context.Context, *localstore.Store, []string) error) *cobra.Command {
	return storeVerbWith(a.withStore, cmd, run)
}

func storeVerbWith(with func(context.Context, func(*localstore.Store) error) error, cmd *cobra.Command, run func(context.Context, *localstore.Store, []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return with(cmd.Context(), func(st *localstore.Store) error { return run(cmd.Context(), st, args) })
	}
	return cmd
}

// objectPath reads what a user writes for an object: its logical or physical
// path, its "<id>-<name>", or a symbolic link to it.
func objectPath(arg string) (store.Path, error) {
	if p, err := store.ParsePath(arg); err == nil {
		return p, nil
	}
	target := arg
	if link, err := os.Readlink(arg); err == nil {
		target = link
	}
	p, err := store.ParsePath(filepath.Base(target))
	if err != nil {
		return "", fmt.Errorf("%s is no store object: want <id>-<name>, a path that ends so, or a link to one", arg)
	}
	return p, nil
}

func objectPaths(args []string) ([]store.Path, error) {
	paths := make([]store.Path, len(args))
	for i, arg := range args {
		p, err := objectPath(arg)
		if err != nil {
			return nil, err
		}
		paths[i] = p
	}
	return paths, nil
}

// An objectInfo is what `store info` prints.
type objectInfo struct {
	Path        store.Path   `json:"path"`
	Kind        string       `json:"kind"`
	Tree        store.Digest `json:"tree"`
	Size        int64        `json:"size"`
	ClosureSize int64        `json:"closure_size"`
	References  []store.Path `json:"references"`
	Referrers   []store.Path `json:"referrers"`
	Deriver     string       `json:"deriver,omitempty"`
	Signatures  []string     `json:"signatures"`
}

func (a *app) storeInfo(ctx context.Context, st *localstore.Store, args []string) error {
	p, err := objectPath(args[0])
	if err != nil {
		return err
	}
	o, err := st.Object(ctx, p)
	if err != nil {
		return err
	}
	closure, err := st.Closure(ctx, []store.Path{p})
	if err != nil {
		return err
	}
	info := objectInfo{Path: p, Kind: o.Kind.String(), Tree: o.Tree, Size: o.Size, References: list(o.References), Deriver: o.Deriver}
	for _, member := range closure {
		m, err := st.Object(ctx, member)
		if err != nil {
			return err
		}
		info.ClosureSize += m.Size
	}
	if info.Referrers, err = st.Referrers(ctx, p); err != nil {
		return err
	}
	info.Referrers = list(info.Referrers)
	signatures, err := st.Signatures(ctx, p)
	if err != nil {
		return err
	}
	info.Signatures = make([]string, len(signatures))
	for i, s := range signatures {
		info.Signatures[i] = s.String()
	}
	if a.json {
		return a.printJSON(info)
	}
	fmt.Fprintf(a.out, "path        %s\nkind        %s\ntree        %s\n", p.Logical(), info.Kind, info.Tree)
	fmt.Fprintf(a.out, "size        %s (closure %s in %s)\n", bytesize.Format(o.Size), bytesize.Format(info.ClosureSize), plural(len(closure), "object"))
	a.printPaths("references", info.References)
	a.printPaths("referrers", info.Referrers)
	for _, s := range signatures {
		fmt.Fprintf(a.out, "signed by   %s\n", s.Key)
	}
	return nil
}

// printPaths prints a titled list, one path a line.
func (a *app) printPaths(title string, paths []store.Path) {
	if len(paths) == 0 {
		fmt.Fprintf(a.out, "%-11s none\n", title)
		return
	}
	for _, p := range paths {
		fmt.Fprintf(a.out, "%-11s %s\n", title, p)
		title = ""
	}
}

func (a *app) storeClosure(ctx context.Context, st *localstore.Store, args []string) error {
	paths, err := objectPaths(args)
	if err != nil {
		return err
	}
	closure, err := st.Closure(ctx, paths)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(list(closure))
	}
	return a.printLines(func(w io.Writer) {
		for _, p := range closure {
			fmt.Fprintln(w, p)
		}
	})
}

// printLines writes what may be many lines to standard output, at once.
func (a *app) printLines(write func(io.Writer)) error {
	w := bufio.NewWriter(a.out)
	write(w)
	return w.Flush()
}

func (a *app) storeRoots(ctx context.Context, st *localstore.Store, _ []string) error {
	roots, err := st.Roots(ctx)
	if err != nil {
		return err
	}
	running, err := st.Running(ctx)
	if err != nil {
		return err
	}
	roots = append(roots, running...)
	if a.json {
		return a.printJSON(list(roots))
	}
	for _, r := range roots {
		from := r.Name
		switch {
		case r.Process != nil:
			from = describeProcess(r.Process)
		case r.Link != "":
			from = r.Link
		}
		if r.Unreachable {
			from += " (not reachable now)"
		}
		fmt.Fprintf(a.out, "%s  %s\n", r.Path, from)
	}
	return nil
}

func (a *app) storeOptimise(ctx context.Context, st *localstore.Store, _ []string) error {
	m := a.newStoreMeter()
	result, err := st.Optimise(ctx)
	m.end()
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(result)
	}
	a.say("Linked %s, %s saved.", plural(result.Files, "file"), bytesize.Format(result.Bytes))
	return nil
}

func (a *app) whyDependsCommand() *cobra.Command {
	return a.storeVerb(&cobra.Command{
		Use:     "why-depends FROM TO",
		Short:   "Show how one object comes to refer to another, and in which file",
		Example: "  sysc why-depends ./result /sysc/store/…-libc6",
		Args:    usageArgs(cobra.ExactArgs(2)),
	}, func(ctx context.Context, st *localstore.Store, args []string) error {
		paths, err := objectPaths(args)
		if err != nil {
			return err
		}
		edges, err := st.WhyDepends(ctx, paths[0], paths[1])
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(list(edges))
		}
		if len(edges) == 0 {
			a.say("%s does not depend on %s.", paths[0], paths[1])
			return nil
		}
		fmt.Fprintln(a.out, edges[0].From)
		for i, e := range edges {
			where := "a reference added by its maker"
			if e.File != "" {
				where = e.File
			}
			fmt.Fprintf(a.out, "%s└─ %s\n%s   by %s\n", strings.Repeat("   ", i), e.To, strings.Repeat("   ", i), where)
		}
		return nil
	})
}
