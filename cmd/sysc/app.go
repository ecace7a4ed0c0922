package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sysc/lang/diag"
	"sysc/modules/source"
	"sysc/store/localstore"
)

// An app is one run of the command: where output goes and what the global flags
// say.
type app struct {
	in       *os.File // nil for nothing
	out, err io.Writer
	getenv   func(string) string

	dir      string      // -C
	storeDir string      // --store
	root     string      // --root
	home     *homeTarget // what the run is about in place of a machine, or nil
	json     bool
	progress string
	proxy    string       // --proxy
	vars     []varFlag    // --var and --var-file, in their order
	offline  bool         // --offline
	saved    *savedValues // of the plan that is carried out, or nil

	backup      bool // --backup
	noEvalCache bool // --no-eval-cache

	overrides []string        // --override
	vendorTo  string          // the directory of lock --vendor, "" for the usual one
	modules   *source.Fetcher // made when modules are needed
	modulesIn *localstore.Store
	// atEnd is done when the run is over.
	atEnd []func() error

	garbage *garbage // nil in tests
	signals *signals // that the user sends, or nil

	work  localstore.Progress // of the store
	drawn drawing             // that of now, or nil
}

// A drawing is what changes at the bottom of a terminal.
type drawing interface {
	// above calls write, which writes lines to the same place, without the drawing on
	// the screen.
	above(write func())
}

func newApp(out, err io.Writer, getenv func(string) string) *app {
	return &app{out: out, err: err, getenv: getenv}
}

const longHelp = `sysc composes operating systems: a definition in HCL becomes a graph of hashed
build steps, an immutable store, and numbered generations of a machine, of which
one is current. Every earlier one can be brought back.

Exit codes:
    0  done
    1  an error in the definition or in usage, or something that lint found
    2  changes present (plan --detailed-exitcode), or needed (lock --check)
    3  formatting needed, and nothing else (fmt --check, lint)
    4  not enough room on the boot partition, nothing was changed
    5  verification failed: a signature or hash, or what was fetched
    6  not reproducible (build --check)
    7  refused: something has changed since the plan was made (switch FILE), or an archive
       or a package would go back in time, or is held (update)
    8  known vulnerabilities (cve)
   10  a build failed
   11  a build took longer than it may
   12  transient: network, disk or memory full; try again
   20  a required health check failed (health)
   21  not activated, the state is as before
  130  interrupted`

// command returns the command line. The verbs are listed here and nowhere else.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "sysc",
		Short:         "Compose operating systems from packages, declaratively",
		Long:          longHelp,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	flags := root.PersistentFlags()
	flags.StringVarP(&a.dir, "directory", "C", ".", "work on the definition in `DIR`")
	flags.StringVar(&a.storeDir, "store", "", "use the store in `DIR` (default $SYSC_STORE, on a machine that sysc has\nstarted /sysc, or $XDG_DATA_HOME/sysc)")
	flags.BoolVar(&a.json, "json", false, "print facts as JSON")
	flags.StringVar(&a.progress, "progress", "auto", "show progress as `MODE`: auto, tree, plain, json, none")
	flags.StringVar(&a.proxy, "proxy", "", "ask `PROXY` for downloads: an address, none, or environment for $HTTP_PROXY,\n$HTTPS_PROXY and $NO_PROXY (default $SYSC_PROXY, or environment)")
	for _, g := range []struct {
		id, title string
		verbs     []*cobra.Command
	}{
		{"definition", "Definitions:", []*cobra.Command{
			a.initCommand(), a.lockCommand(), a.updateCommand(), a.validateCommand(), a.fmtCommand(), a.lintCommand(), a.testCommand(),
			a.evalCommand(), a.consoleCommand(), a.explainCommand(), a.optionsCommand(), a.searchCommand(), a.whyCommand(), a.lspCommand(),
		}},
		{"machine", "Machines:", []*cobra.Command{
			a.planCommand(), a.switchCommand(), a.bootCommand(), a.tryCommand(), a.rollbackCommand(), a.generationsCommand(), a.statusCommand(), a.healthCommand(), a.driftCommand(), a.diffCommand(), a.sbomCommand(),
			a.licensesCommand(), a.cveCommand(),
			a.imageCommand(), a.vmCommand(), a.bootedCommand(),
		}},
		{"build", "Builds:", []*cobra.Command{
			a.buildCommand(), a.runCommand(), a.developCommand(), a.shellCommand(), a.logCommand(), a.graphCommand(), a.derivationCommand(), a.whyRebuildCommand(),
		}},
		{"store", "The store:", []*cobra.Command{a.storeCommand(), a.cacheCommand(), a.gcCommand(), a.whyDependsCommand()}},
		{"sysc", "sysc itself:", []*cobra.Command{a.doctorCommand(), versionCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, verb := range g.verbs {
			verb.GroupID = g.id
		}
		root.AddCommand(g.verbs...)
		root.SetHelpCommandGroupID(g.id) // the last one
		root.SetCompletionCommandGroupID(g.id)
	}
	refuseUnknown(root)
	a.complete(root)
	return root
}

// refuseUnknown makes it an error, and no help, when a verb of several is given
// another one: cobra does so for the first verb only.
func refuseUnknown(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.HasSubCommands() && !sub.Runnable() {
			sub.RunE = func(cmd *cobra.Command, args []string) error {
				if len(args) == 0 {
					return cmd.Help()
				}
				hint := ""
				if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
					hint = fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
				}
				return fmt.Errorf("unknown command %q for %q%s (see %s --help)", args[0], cmd.CommandPath(), hint, cmd.CommandPath())
			}
			sub.SuggestionsMinimumDistance = suggestDistance
			sub.DisableFlagsInUseLine = true
		}
		refuseUnknown(sub)
	}
}

// suggestDistance is how many letters of a verb may be wrong.
const suggestDistance = 2

// usageArgs wraps a check of arguments, so that its error tells where help is.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%v (see %s --help)", err, cmd.CommandPath())
		}
		return nil
	}
}

// rootFlag adds --root to a verb that works on a machine or a home.
func (a *app) rootFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.root, "root", "", "work on the machine in `DIR` in place of /, or with a home on the home directory in it")
}

// machine returns the directory that has the generations: the one that --root names, that
// of a home's state, or where this machine has its data.
func (a *app) machine() (string, error) {
	if a.home != nil {
		return a.home.state, nil
	}
	if a.here() {
		return hereData, nil
	}
	if a.root == "" {
		return "", errors.New("sysc has not started this machine: say with --root DIR which directory has one")
	}
	return filepath.Abs(a.root)
}

// openStore opens the store that the flags name, making it when it is missing.
func (a *app) openStore(ctx context.Context) (*localstore.Store, error) {
	return a.openStoreWith(ctx, a.storeOptions())
}

// openFullStore is openExisting for who wants to make room.
func (a *app) openFullStore(ctx context.Context) (*localstore.Store, error) {
	opts := a.existingOptions()
	opts.UseReserve = true
	return a.openStoreWith(ctx, opts)
}

// openExisting is openStore for who makes nothing: a name that was mistyped is an
// error then, and no empty store.
func (a *app) openExisting(ctx context.Context) (*localstore.Store, error) {
	return a.openStoreWith(ctx, a.existingOptions())
}

// withExisting is withStore for who makes nothing.
func (a *app) withExisting(ctx context.Context, use func(*localstore.Store) error) error {
	st, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(st), st.Close())
}

// withStore opens the store for one call.
func (a *app) withStore(ctx context.Context, use func(*localstore.Store) error) error {
	st, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(st), st.Close())
}

func (a *app) openStoreWith(ctx context.Context, opts *localstore.Options) (*localstore.Store, error) {
	dir, err := a.storePath()
	if err != nil {
		return nil, err
	}
	m := a.newStoreMeter()
	st, err := localstore.Open(ctx, dir, opts)
	m.end()
	if errors.Is(err, localstore.ErrDamaged) {
		err = fmt.Errorf("%w: sysc store verify --repair makes a new one from what is on disk", err)
	}
	if errors.Is(err, localstore.ErrNone) {
		err = fmt.Errorf("%w: sysc build and sysc store add make one, --store DIR names another", err)
	}
	return st, err
}

// storeOptions lets the store tell what it waits for and what it does.
func (a *app) storeOptions() *localstore.Options {
	return &localstore.Options{Wait: func(what, holder string) { a.waitFor(what)(holder) }, Progress: &a.work}
}

// existingOptions are for a store that has to be there.
func (a *app) existingOptions() *localstore.Options {
	opts := a.storeOptions()
	opts.Existing = true
	return opts
}

func (a *app) storePath() (string, error) {
	for _, dir := range []string{a.storeDir, a.getenv("SYSC_STORE")} {
		if dir != "" {
			return filepath.Abs(dir)
		}
	}
	if os.Geteuid() == 0 && startedBySysc() {
		return hereStore, nil
	}
	if data := a.getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "sysc"), nil
	}
	home := a.getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", errors.New("find the store: $HOME is not set; name a directory with --store DIR")
	}
	return filepath.Join(home, ".local", "share", "sysc"), nil
}

// say writes a line of talk to standard error.
func (a *app) say(format string, args ...any) {
	write := func() { fmt.Fprintf(a.err, format+"\n", args...) }
	if a.drawn == nil {
		write()
		return
	}
	a.drawn.above(write)
}

// diagnose prints diagnostics and returns an error when there are errors.
func (a *app) diagnose(diags diag.List, files map[string][]byte) error {
	if len(diags) == 0 {
		return nil
	}
	width, _ := terminalSize(a.err)
	opts := diag.RenderOptions{Color: a.colour(a.err), Width: width}
	if err := diag.Render(a.err, diags, files, opts); err != nil {
		return err
	}
	return errDiagnostics(diags)
}

// printJSON writes v to standard output, indented.
func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// report tells the user about the error that ends the run.
func (a *app) report(err error) {
	if err == nil {
		return
	}
	if exitCodeOf(err) == exitInterrupted {
		a.say("Interrupted: nothing was changed that the next run would not finish.")
		return
	}
	if text := err.Error(); text != "" {
		label := "Error: "
		if a.colour(a.err) {
			label = "\x1b[1;31mError:\x1b[0m "
		}
		a.say("%s%s", label, strings.TrimRight(text, "\n"))
		if isDiskFull(err) && !strings.Contains(text, "sysc gc") {
			a.say("Where the store's disk is full, sysc gc makes room.")
		}
	}
}
