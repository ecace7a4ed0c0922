package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

func (a *app) whyRebuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "why-rebuild [TARGET]",
		Short: "Show what has changed since a target was built last",
		Long: `Show what has changed since a target was built last, from this directory and into
this store: which derivations differ by themselves, in what, and which files of the
definition they come from. Nothing is built.`,
		Example: "  sysc why-rebuild derivation.hello",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.whyRebuild(cmd.Context(), strings.Join(args, ""))
		},
	}
	a.projectFlags(cmd)
	return cmd
}

// What why-rebuild finds out.
const (
	rebuildUnknown = "unknown" // nothing is known of an earlier build
	rebuildNothing = "valid"   // nothing has changed, and the result is there
	rebuildMissing = "missing" // nothing has changed, but the result is gone
	rebuildChanged = "changed"
)

// A rebuildReason is what why-rebuild prints as JSON.
type rebuildReason struct {
	Target string `json:"target"`
	Status string `json:"status"`
	// Steps is how many may have to run now.
	Steps     int            `json:"steps"`
	LastBuild *time.Time     `json:"last_build,omitempty"`
	Causes    []rebuildCause `json:"causes"`
}

// A rebuildCause is a derivation that has changed by itself.
type rebuildCause struct {
	Hash     string          `json:"hash"`
	Name     string          `json:"name"`
	Label    string          `json:"label,omitempty"`
	Position string          `json:"position,omitempty"`
	Path     []string        `json:"path"` // names, from the target to it
	Changes  []rebuildChange `json:"changes"`
}

type rebuildChange struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
	// Files are those of a source that differ, as far as that is known.
	Files []string `json:"files,omitempty"`
}

// lastBuildName is what the store remembers a target's builds under: the same name
// may mean something else in another directory.
func lastBuildName(def definition, label string) string {
	return def.Dir() + "\x00" + label
}

// rememberBuilds keeps what targets consist of, for why-rebuild. That it cannot be
// kept is no reason to fail: the targets are built.
func rememberBuilds(st *localstore.Store, def definition, built []derivations.Ref) {
	g := def.Graph()
	for _, ref := range built {
		build.RememberBuild(st.LogDir(), lastBuildName(def, g.Origin(ref.Derivation).Label), g, ref.Derivation)
	}
}

func (a *app) whyRebuild(ctx context.Context, arg string) error {
	def, t, err := a.evaluateOne(ctx, modules.WantOne, arg)
	if err != nil {
		return err
	}
	reason := &rebuildReason{Target: t.Label, Status: rebuildUnknown, Causes: []rebuildCause{}}
	err = a.withStore(ctx, func(st *localstore.Store) error { return reason.find(ctx, st, def, t.Ref) })
	if err != nil {
		return fmt.Errorf("find out why %s is built: %w", t.Label, err)
	}
	if a.json {
		return a.printJSON(reason)
	}
	return a.printLines(reason.write)
}

// find compares the target with what it was.
func (r *rebuildReason) find(ctx context.Context, st *localstore.Store, def *modules.Answer, ref derivations.Ref) error {
	g := def.Graph()
	_, err := build.Realise(ctx, st, g, []derivations.Ref{ref}, &build.Options{
		DryRun: true,
		Events: func(e build.Event) {
			if e.Kind == build.Planned {
				r.Steps++
			}
		},
	})
	if err != nil {
		return err
	}
	last, err := build.RecallBuild(st.LogDir(), lastBuildName(def, g.Origin(ref.Derivation).Label))
	if err != nil || last == nil {
		return err
	}
	at := last.At.UTC().Truncate(time.Second)
	r.LastBuild = &at
	switch {
	case last.Root != ref.Derivation:
		r.Status = rebuildChanged
	case r.Steps > 0:
		r.Status = rebuildMissing
	default:
		r.Status = rebuildNothing
	}
	before := func(h derivations.Hash) (*derivations.Derivation, bool) { d, ok := last.Steps[h]; return d, ok }
	for _, c := range derivations.Causes(before, g.Derivation, last.Root, ref.Derivation) {
		cause, err := describeCause(ctx, st, g, &c)
		if err != nil {
			return err
		}
		r.Causes = append(r.Causes, cause)
	}
	return nil
}

func describeCause(ctx context.Context, st *localstore.Store, g *derivations.Graph, c *derivations.Cause) (rebuildCause, error) {
	h := c.Path[len(c.Path)-1]
	o := g.Origin(h)
	cause := rebuildCause{Hash: h.String(), Label: o.Label, Position: o.Position, Changes: []rebuildChange{}}
	for _, step := range c.Path {
		d, _ := g.Derivation(step)
		cause.Path = append(cause.Path, d.Name)
	}
	cause.Name = cause.Path[len(cause.Path)-1]
	for _, change := range c.Changes {
		described := rebuildChange{Field: change.Field, Old: change.Old, New: change.New}
		if change.Field == "sources" && change.Old != "" && change.New != "" {
			var err error
			if described.Files, err = changedFiles(ctx, st, g, store.Path(change.Old), store.Path(change.New)); err != nil {
				return cause, err
			}
		}
		cause.Changes = append(cause.Changes, described)
	}
	return cause, nil
}

// changedFiles lists the files that differ between what a source was and what it is.
// It returns nil when the store has the old one no more.
func changedFiles(ctx context.Context, st *localstore.Store, g *derivations.Graph, old, new store.Path) ([]string, error) {
	was, err := st.Object(ctx, old)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	source, ok := g.Source(new)
	if !ok || source.Dir == "" || was.Kind != store.KindTree {
		return nil, nil
	}
	root, trees, err := source.Trees()
	if err != nil {
		return nil, err
	}
	var files []string
	err = tree.Diff(ctx, &bothTrees{st, trees}, was.Tree, root, func(c tree.Change) error {
		switch {
		case c.Old == nil:
			files = append(files, c.Path+" (new)")
		case c.New == nil:
			files = append(files, c.Path+" (gone)")
		default:
			files = append(files, c.Path)
		}
		return nil
	})
	return files, err
}

// bothTrees are listings of the store and of a directory of the definition.
type bothTrees struct {
	st   *localstore.Store
	here map[store.Digest]*tree.Tree
}

func (b *bothTrees) Tree(ctx context.Context, d store.Digest) (*tree.Tree, error) {
	if t, ok := b.here[d]; ok {
		return t, nil
	}
	return b.st.Tree(ctx, d)
}

// write tells it to people.
func (r *rebuildReason) write(w io.Writer) {
	when := ""
	if r.LastBuild != nil {
		when = r.LastBuild.Local().Format(time.DateTime)
	}
	switch r.Status {
	case rebuildUnknown:
		fmt.Fprintf(w, "%s: no build of it from here is known. %s\n", r.Target, r.toDo())
		return
	case rebuildNothing:
		fmt.Fprintf(w, "%s: nothing has changed since %s, and its result is valid.\n", r.Target, when)
		return
	case rebuildMissing:
		fmt.Fprintf(w, "%s: nothing has changed since %s, but its result is not in the store any more. %s\n", r.Target, when, r.toDo())
		return
	}
	fmt.Fprintf(w, "%s has changed since %s. %s\n", r.Target, when, r.toDo())
	const most = 20
	for i, c := range r.Causes {
		if i == most {
			fmt.Fprintf(w, "\nand %s more; --json has all\n", plural(len(r.Causes)-most, "derivation"))
			break
		}
		c.write(w)
	}
}

// toDo says how much there is to do now.
func (r *rebuildReason) toDo() string {
	if r.Steps == 0 {
		return "Its result is in the store."
	}
	return fmt.Sprintf("Up to %s will run.", plural(r.Steps, "step"))
}

func (c *rebuildCause) write(w io.Writer) {
	fmt.Fprintf(w, "\n%s", c.Name)
	if c.Label != "" {
		fmt.Fprintf(w, "  (%s", c.Label)
		if c.Position != "" {
			fmt.Fprintf(w, " at %s", c.Position)
		}
		fmt.Fprint(w, ")")
	}
	fmt.Fprintln(w)
	if len(c.Path) > 1 {
		fmt.Fprintf(w, "  needed by   %s\n", strings.Join(shortPath(c.Path[:len(c.Path)-1]), " ← "))
	}
	if len(c.Changes) == 0 {
		fmt.Fprintln(w, "  It is the same, but this sysc runs such steps in another way.")
	}
	for _, change := range c.Changes {
		change.write(w)
	}
}

// shortPath turns a path round and leaves its middle out.
func shortPath(path []string) []string {
	const most = 5
	path = slices.Clone(path)
	slices.Reverse(path)
	if len(path) > most {
		path = append(append(path[:most-2:most-2], "…"), path[len(path)-1])
	}
	return path
}

func (c *rebuildChange) write(w io.Writer) {
	if c.Field == "sources" && c.Old != "" && c.New != "" {
		fmt.Fprintf(w, "  %s has changed", store.Path(c.New).Name())
		fmt.Fprintln(w, sourceFiles(c.Files))
		return
	}
	fmt.Fprintf(w, "  %s\n", c.Field)
	old, new := differingLines(c.Old, c.New)
	for _, side := range []struct {
		mark  string
		lines []string
	}{{"-", old}, {"+", new}} {
		const most, width = 3, 100
		for i, line := range side.lines {
			if i == most {
				fmt.Fprintf(w, "    %s … and %s more\n", side.mark, plural(len(side.lines)-most, "line"))
				break
			}
			fmt.Fprintf(w, "    %s %s\n", side.mark, shorten(printable(line), width))
		}
	}
}

// sourceFiles says which files of a source have changed.
func sourceFiles(files []string) string {
	const most = 5
	switch {
	case len(files) == 0:
		return ""
	case len(files) > most:
		return fmt.Sprintf(": %s and %d more", printable(strings.Join(files[:most], ", ")), len(files)-most)
	}
	return ": " + printable(strings.Join(files, ", "))
}

// differingLines leaves out the lines that two texts begin and end with.
func differingLines(old, new string) (olds, news []string) {
	lines := func(text string) []string {
		if text == "" {
			return nil
		}
		return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	olds, news = lines(old), lines(new)
	for len(olds) > 0 && len(news) > 0 && olds[0] == news[0] {
		olds, news = olds[1:], news[1:]
	}
	for len(olds) > 0 && len(news) > 0 && olds[len(olds)-1] == news[len(news)-1] {
		olds, news = olds[:len(olds)-1], news[:len(news)-1]
	}
	return olds, news
}
