package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sysc/derivations/sandbox"
	"sysc/systems/distro/debian/debiantest"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// asSysc makes a process of this test binary run as sysc: see TestMain.
const asSysc = "SYSC_TEST_MAIN=1"

// TestMain lets scripts run this test binary as sysc, and that be a sandbox.
func TestMain(m *testing.M) {
	if sandbox.Main(os.Args) {
		return
	}
	if name, value, _ := strings.Cut(asSysc, "="); os.Getenv(name) == value {
		os.Exit(run(os.Args[1:], newGarbage()))
	}
	// Programs that are started by one that ignores hang-ups, as under nohup, ignore
	// them as well. What is handled is theirs to decide.
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Main(m, map[string]func(){"sysc": main})
}

// TestScripts runs the users' stories of testdata/script. testdata/script/README
// lists the commands that they have beside testscript's own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		Setup:               setupScript,
		Cmds:                scriptCommands,
		Condition:           scriptCondition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
	})
}

// setupScript gives each script its own home and store, and no mirror.
func setupScript(env *testscript.Env) error {
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("SYSC_STORE", filepath.Join(env.WorkDir, "store"))
	env.Setenv("SYSC_DEBIAN_MIRROR", "http://127.0.0.1:1/none")
	env.Setenv("ARCH", runtime.GOARCH)
	env.Setenv("NO_COLOR", "1")
	env.Values[registriesKey] = scriptRegistries{}
	env.Defer(func() { makeRemovable(env.WorkDir) })
	return os.Mkdir(filepath.Join(env.WorkDir, "home"), 0o755)
}

// makeRemovable makes the directories below dir writable, so that the script's
// directory, with read-only store objects in it, can be removed.
func makeRemovable(dir string) {
	filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(name, 0o755)
		}
		return nil // what cannot be read is the clean-up's to report
	})
}

var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"mkarchive":    mkarchive,
	"mkzip":        mkzip,
	"serve":        serve,
	"servehistory": serveHistory,
	"servegit":     serveGit,
	"serveoci":     serveOCI,
	"pushimage":    pushImage,
	"servessh":     serveSSH,
	"substitute":   substitute,
	"flip":         flip,
	"within":       within,
	"await":        await,
	"schema":       checkSchema,
}

func scriptCondition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// theTools is the package that every archive has; making it reads the machine's
// programs, so it is made once.
var theTools = sync.OnceValues(func() (*debiantest.Package, error) {
	return debiantest.Tools(runtime.GOARCH, debiantest.Programs)
})

// theKeys sign archives; making one costs time, so each is made once.
var theKeys sync.Map

func theKey(name string) (*debiantest.Key, error) {
	made, _ := theKeys.LoadOrStore(name, sync.OnceValues(debiantest.NewKey))
	return made.(func() (*debiantest.Key, error))()
}

// mkarchive makes a signed Debian archive.
func mkarchive(ts *testscript.TestScript, neg bool, args []string) {
	a := debiantest.Archive{Suite: "trixie", Architecture: runtime.GOARCH, Date: time.Unix(1_780_000_000, 0)}
	flags := flag.NewFlagSet("mkarchive", flag.ContinueOnError)
	flags.StringVar(&a.Suite, "suite", a.Suite, "")
	flags.BoolVar(&a.Backports, "backports", false, "")
	flags.BoolVar(&a.Detached, "detached", false, "")
	expired := flags.Bool("expired", false, "")
	bare := flags.Bool("no-tools", false, "")
	keyName := flags.String("key", "", "")
	days := flags.Int("days", 0, "")
	foreign := flags.String("foreign", "", "")
	programs := flags.String("programs", "", "")
	flags.Func("source", "", func(dir string) error {
		s, err := debiantest.ReadSource(ts.MkAbs(dir))
		a.Sources = append(a.Sources, s)
		return err
	})
	if err := flags.Parse(args); neg || err != nil || flags.NArg() == 0 {
		ts.Fatalf("usage: mkarchive [FLAG...] DIR [PACKAGE-DIR...]: %v", err)
	}
	a.Date = a.Date.AddDate(0, 0, *days)
	if *expired {
		a.ValidUntil = a.Date.Add(time.Hour)
	}
	if *foreign != "" {
		a.Foreign = strings.Split(*foreign, ",")
	}
	if !*bare {
		p, err := theTools()
		if *programs != "" {
			p, err = debiantest.Tools(runtime.GOARCH, append(slices.Clone(debiantest.Programs), strings.Split(*programs, ",")...))
		}
		ts.Check(err)
		a.Packages = append(a.Packages, p)
	}
	for _, dir := range flags.Args()[1:] {
		p, err := debiantest.ReadDir(ts.MkAbs(dir))
		ts.Check(err)
		a.Packages = append(a.Packages, p)
	}
	key, err := theKey(*keyName)
	ts.Check(err)
	a.Key = key
	ts.Check(a.Write(ts.MkAbs(flags.Arg(0))))
}

// substitute replaces a text in a file, which must contain it.
//
//	substitute FILE OLD NEW
func substitute(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: substitute FILE OLD NEW")
	}
	name := ts.MkAbs(args[0])
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("substitute: %q is not in %s", args[1], args[0])
	}
	ts.Check(os.WriteFile(name, []byte(strings.ReplaceAll(text, args[1], args[2])), 0o644))
}

// flip changes one bit in the middle of each file that a pattern matches.
//
//	flip PATTERN
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip PATTERN")
	}
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("flip: nothing matches %s", args[0])
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		ts.Check(err)
		data[len(data)/2] ^= 1
		ts.Check(os.Chmod(name, 0o644))
		ts.Check(os.WriteFile(name, data, 0o644))
	}
}

// within runs a command and fails when it takes longer.
//
//	within DURATION COMMAND [ARGS...]
func within(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: within DURATION COMMAND [ARGS...]")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	start := time.Now()
	ts.Check(ts.Exec(args[1], args[2:]...))
	if took := time.Since(start); took > limit {
		ts.Fatalf("took %v, want at most %v", took, limit)
	}
}

// await waits until a file that a background command writes contains a text.
//
//	await FILE TEXT
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	const limit, interval = 2 * time.Minute, 20 * time.Millisecond
	for start := time.Now(); time.Since(start) < limit; time.Sleep(interval) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("await: no %q in %s after %v", args[1], args[0], limit)
}
