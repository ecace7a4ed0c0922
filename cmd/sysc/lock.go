package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sysc/internal/bytesize"
	"sysc/modules"
	"sysc/modules/lock"
	"sysc/modules/source"
	"sysc/store"
	"sysc/systems/distro/debian"
)

func (a *app) lockCommand() *cobra.Command {
	var check bool
	var vendor vendorFlags
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "Pin what the definition needs and sysc.lock does not have yet",
		Long: `Pin what the definition needs: versions of modules are chosen, inputs that are
not locked are asked for their present state, the packages of systems and derivations
are resolved, accounts get numbers. What is locked stays as it is; sysc update moves
it forward.

With --vendor, what evaluation and locking need is copied to ` + source.VendorDir + `, or another
directory: the modules that were fetched and the indexes of archives; with --vendor-files
also the files that builds fetch. They are taken from there, and nothing is fetched.
Where that directory is, lock and update keep it as sysc.lock says. ` + vendorVariable + ` names another
one for all commands.`,
		Example: "  sysc lock -C examples/minimal\n  sysc lock --vendor          # copy modules and indexes beside the definition\n  sysc lock --vendor-files    # and what builds fetch\n  sysc lock --check           # exit code 2 when sysc lock would change something",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := vendor.take(args); err != nil {
				return err
			}
			if vendor.dir != source.VendorDir {
				a.vendorTo = vendor.dir
			}
			if check {
				return a.checkLock(cmd.Context())
			}
			return a.lock(cmd.Context(), modules.LockOptions{}, vendor, false)
		},
	}
	a.projectFlags(cmd)
	cmd.Flags().StringVar(&vendor.dir, "vendor", "", "copy the modules that were fetched and the indexes of archives to `DIR`, by default "+source.VendorDir+" beside sysc.lock")
	cmd.Flags().Lookup("vendor").NoOptDefVal = source.VendorDir
	cmd.Flags().BoolVar(&vendor.files, "vendor-files", false, "copy the files that builds fetch as well")
	cmd.Flags().BoolVar(&check, "check", false, "write nothing, and fail when something would have to be written")
	return cmd
}

// checkLock tells what sysc lock would have to do.
func (a *app) checkLock(ctx context.Context) error {
	project, err := a.loadProject(ctx)
	if err != nil {
		return err
	}
	diags, err := project.CheckLock(ctx)
	if err != nil {
		return err
	}
	if err := a.diagnose(diags, project.Files()); err != nil {
		return &exitCode{code: exitChanges}
	}
	if err := a.checkVendor(ctx, project); err != nil {
		return err
	}
	a.say("sysc.lock is up to date.")
	return nil
}

func (a *app) updateCommand() *cobra.Command {
	var all, downgrade bool
	var only []string
	cmd := &cobra.Command{
		Use:     "update [NAME...]",
		Short:   "Move inputs and modules forward (default: all) and print what moved",
		Example: "  sysc update\n  sysc update debian --all\n  sysc update --only openssl,libssl3t64\n  sysc update module.web",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.lock(cmd.Context(), modules.LockOptions{Update: args, UpdateAll: len(args) == 0, AllowDowngrade: downgrade, Only: only}, vendorFlags{}, all)
		},
	}
	a.projectFlags(cmd)
	cmd.Flags().BoolVar(&downgrade, "allow-downgrade", false, "take states of archives, and versions of packages, that are older than those that are locked")
	cmd.Flags().StringSliceVar(&only, "only", nil, "move these packages, and leave all others in their versions")
	cmd.Flags().BoolVar(&all, "all", false, "list every package that is new or gone")
	return cmd
}

func (a *app) lock(ctx context.Context, opts modules.LockOptions, vendor vendorFlags, all bool) error {
	if a.offline {
		return errors.New("locking asks servers for what they have now: leave out --offline, or use lock --check")
	}
	project, err := a.loadProjectFetching(ctx, false)
	if err != nil {
		return err
	}
	fetcher, err := a.moduleFetcher()
	if err != nil {
		return err
	}
	status := &statusLine{w: a.err, mode: a.progressMode()}
	opts.Progress, opts.Modules = status.step, fetcher
	if opts.Inputs, err = a.inputFetcher(project, status); err != nil {
		return err
	}
	fetcher.Progress = status.module
	if opts.Fetcher, err = a.indexFetcher(status); err != nil {
		return err
	}
	changes, diags, err := project.Lock(ctx, opts)
	status.clear()
	if diagErr := a.diagnose(diags, project.Files()); diagErr != nil {
		return diagErr
	}
	if err != nil {
		return err
	}
	locked, err := a.lockedModules()
	if err == nil {
		err = a.keepModules(ctx, locked)
	}
	if err == nil {
		err = a.keepInputs(ctx, project.LockedInputs())
	}
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(struct {
			FormatVersion string `json:"format_version"`
			*modules.Changes
		}{"1.0", changes})
	} else {
		a.printChanges(changes, all)
	}
	if err == nil && (vendor.set() || a.hasVendorDir()) {
		err = a.vendor(ctx, vendor)
	}
	if err == nil && a.vendorTo != "" {
		a.say("Note: other commands find the copies with %s=%s.", vendorVariable, a.vendorTo)
	}
	return err
}

// indexFetcher returns what gets the indexes of inputs. Those that are named by digest
// stay beside the store.
func (a *app) indexFetcher(status *statusLine) (func(debian.Settings) debian.Fetcher, error) {
	storeDir, err := a.storePath()
	if err != nil {
		return nil, err
	}
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	return func(s debian.Settings) debian.Fetcher {
		return &debian.Downloads{
			Client:   client,
			Mirrors:  debian.Mirrors(s, a.getenv, "/"),
			Past:     func(signed map[string][]time.Time) map[string][]string { return debian.Past(s, signed, a.getenv) },
			Dir:      filepath.Join(storeDir, "indexes"),
			Progress: status.download,
		}
	}, nil
}

// inputFetcher returns what gets inputs of other types than "debian" into the store,
// which is opened when there is one to get.
func (a *app) inputFetcher(project *modules.Project, status *statusLine) (*source.Inputs, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	mirrors, _ := project.Mirrors(a.getenv, "/") // what is wrong with inputs, locking says
	return &source.Inputs{
		Download: client, Registries: registries(client), Mirrors: mirrors.Now, Past: mirrors.Past, Progress: status.download,
		Store: func(ctx context.Context) (source.InputStore, error) { return a.storeOfModules(ctx) },
	}, nil
}

// keepInputs keeps inputs that the store has from garbage collection, for as long as the
// lock file names them.
func (a *app) keepInputs(ctx context.Context, texts map[store.Path]string) error {
	if len(texts) == 0 {
		return nil
	}
	st, err := a.storeOfModules(ctx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(texts, func(path store.Path, _ string) bool {
		_, err := st.Object(ctx, path)
		return err != nil // collected, or locked on another machine
	})
	return st.AddFileRoots(ctx, filepath.Join(a.dir, lock.FileName), texts)
}

// printChanges lists what a lock file got.
func (a *app) printChanges(c *modules.Changes, all bool) {
	if !c.Written {
		a.say("sysc.lock is up to date.")
		return
	}
	for _, m := range c.Modules {
		switch {
		case m.New == "":
			fmt.Fprintf(a.out, "- module %s\n", m.Name)
		case m.Old == "":
			fmt.Fprintf(a.out, "+ module %s, %s\n", m.Name, m.New)
		default:
			fmt.Fprintf(a.out, "~ module %s, %s → %s\n", m.Name, m.Old, m.New)
		}
	}
	for _, in := range c.Inputs {
		switch {
		case in.New == "":
			fmt.Fprintf(a.out, "- input %s\n", in.Name)
		case in.Old == "":
			fmt.Fprintf(a.out, "+ input %s, %s\n", in.Name, inputState(in.NewName, in.NewDate, "signed "))
		default:
			fmt.Fprintf(a.out, "~ input %s, %s → %s\n", in.Name, inputState(in.OldName, in.OldDate, "signed "), inputState(in.NewName, in.NewDate, ""))
		}
	}
	for _, same := range sameChanges(c.Roots) {
		a.printRootChange(same[0], rootNames(same), all)
	}
	for _, id := range c.IDs {
		fmt.Fprintf(a.out, "+ %s %s is %d\n", id.Kind, id.Name, id.ID)
	}
	a.say("Wrote sysc.lock.")
}

// inputState is the name of a state, or when it was signed.
func inputState(name string, date time.Time, signed string) string {
	if name != "" {
		return name
	}
	return signed + date.UTC().Format(time.DateTime)
}

// printRootChange lists the packages of one root that are new, gone or changed:
// those that the definition names, and all on demand.
func (a *app) printRootChange(root modules.RootChange, names string, all bool) {
	if root.Total == 0 {
		fmt.Fprintf(a.out, "- %s\n", names)
		return
	}
	fmt.Fprintf(a.out, "%s: %s\n", names, plural(root.Total, "package"))
	shown, hidden, security := 0, 0, 0
	show := func(sign string, p debian.Package, text string) {
		if all || p.Explicit || sign == "~" {
			fmt.Fprintf(a.out, "  %s %s %s\n", sign, p.Label(root.Architecture), text)
			shown++
		} else {
			hidden++
		}
	}
	for _, p := range root.Added {
		show("+", p, p.Version)
	}
	for _, change := range root.Changed {
		text := change.Old.Version + " → " + change.New.Version
		if change.Old.Version == change.New.Version {
			text = change.New.Version + ", other contents"
		}
		if change.New.FromSecurity() {
			text += " (security)"
			security++
		}
		show("~", change.New, text)
	}
	for _, p := range root.Removed {
		show("-", p, p.Version)
	}
	if shown > 0 && hidden > 0 {
		fmt.Fprintf(a.out, "  and %s that these need\n", plural(hidden, "other package"))
	}
	if security > 0 {
		fmt.Fprintf(a.out, "  %s from the security archive\n", plural(security, "update"))
	}
}

// sameChanges puts roots together of which the same has changed, in the order of
// the first of them.
func sameChanges(roots []modules.RootChange) [][]modules.RootChange {
	var groups [][]modules.RootChange
	at := map[string]int{}
	for _, root := range roots {
		change := root
		change.Address = ""
		key := fmt.Sprintf("%#v", change)
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], root)
	}
	return groups
}

// rootNames names roots, or the first of many.
func rootNames(roots []modules.RootChange) string {
	const most = 4
	var names []string
	for _, root := range roots {
		names = append(names, root.Address)
	}
	return someOf(names, most)
}

// A statusLine shows on one line of a terminal what is being done; elsewhere it
// writes a line for each step. It is safe for concurrent use.
type statusLine struct {
	w    io.Writer
	mode string // see app.progressMode
	mu   sync.Mutex
	last time.Time
}

// step tells that something begins: "update", "read" or "resolve".
func (s *statusLine) step(step, name string) {
	text := map[string]string{
		"versions": "Asking for the versions of %s",
		"module":   "Fetching module %s",
		"update":   "Asking the archive of input %s for its state",
		"input":    "Fetching input %s",
		"read":     "Reading the indexes of input %s",
		"resolve":  "Resolving the packages of %s",
	}[step]
	if text == "" {
		text = step + " %s"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print(fmt.Sprintf(text, name))
}

func (s *statusLine) download(path string, done, total int64) {
	s.bytes(func() string {
		of := ""
		if total > 0 {
			of = " of " + bytesize.Format(total)
		}
		return fmt.Sprintf("Fetching %s  %s%s", path, bytesize.Format(done), of)
	})
}

// bytes shows how much has arrived, now and then.
func (s *statusLine) bytes(text func() string) {
	const interval = 100 * time.Millisecond
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode != "tree" || time.Since(s.last) < interval {
		return
	}
	s.last = time.Now()
	s.print(text())
}

func (s *statusLine) print(text string) {
	switch s.mode {
	case "tree":
		drawLine(s.w, shorten(text, lineWidth(s.w)))
	case "plain":
		fmt.Fprintln(s.w, text)
	}
}

func (s *statusLine) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == "tree" {
		drawLine(s.w, "")
	}
}
