package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sysc/internal/crashtest"
	"sysc/internal/filelock"
	"sysc/systems/distro/debian/debiantest"
)

// TestBuildsKilled is a short form of TestBuildsKilledAtRandom of `make soak`.
func TestBuildsKilled(t *testing.T) {
	w := newWorkshop(t, rand.Uint64(), time.Second)
	for range 12 {
		w.round()
	}
	w.finish()
}

// A workshop is a definition, a store, and processes that build the one into the
// other and are ended in the middle of it.
type workshop struct {
	t      *testing.T
	dir    string
	server *httptest.Server
	random *rand.Rand
	steps  []workStep
	most   time.Duration // that a process has until it is ended
	// kept is set when a process may have kept what a failed build left.
	kept bool

	rounds, builds, collections int
	littered                    int            // rounds that left something for the next collection
	codes                       map[int]int    // exit codes by number
	ends                        map[ending]int // of builds that had not ended by themselves
	outlived                    int            // rounds that sandboxes outlived
	slowest                     time.Duration  // by so much
}

// An ending is how a process is ended.
type ending string

const (
	endsItself     ending = "left alone"
	interrupted    ending = "SIGINT"
	interrupted2   ending = "SIGINT twice"
	interrupted3   ending = "SIGINT three times"
	terminated     ending = "SIGTERM"
	hungUp         ending = "SIGHUP"
	killed         ending = "SIGKILL"
	killedGroup    ending = "SIGKILL to the process group"
	killedWhenMild ending = "SIGINT, then SIGKILL"
)

// mild are the endings after which nothing may be left over, rough those where a
// process cannot clean up.
var (
	mild  = []ending{endsItself, interrupted, interrupted2, terminated, hungUp}
	rough = []ending{interrupted3, killed, killedGroup, killedWhenMild}
)

// longest is more than a process takes that was asked to end, and than the kernel
// takes to end what runs in the sandboxes of one that was killed.
const longest = 2 * time.Minute

func newWorkshop(t *testing.T, seed uint64, most time.Duration) *workshop {
	t.Helper()
	t.Logf("seed %d", seed)
	w := &workshop{
		t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 1)), most: most,
		codes: make(map[int]int), ends: make(map[ending]int),
	}
	t.Cleanup(func() { makeRemovable(w.dir) })
	w.writeArchive()
	files := http.NewServeMux()
	files.Handle("/", http.FileServer(http.Dir(filepath.Join(w.dir, "archive"))))
	files.HandleFunc("/data/{name}", serveData)
	w.server = httptest.NewServer(files)
	t.Cleanup(w.server.Close)
	for _, dir := range []string{"work", "links", "logs"} {
		w.must(os.Mkdir(filepath.Join(w.dir, dir), 0o755))
	}
	for i := range workSteps {
		w.steps = append(w.steps, workStep{number: i, kind: workKinds[i%len(workKinds)]})
	}
	w.define()
	w.sysc("lock")
	w.sysc("build", "derivation.all", "--dry-run") // makes the store, to be looked at whatever is killed
	return w
}

func (w *workshop) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// workPackages is how many packages the archive has besides tools, so that there
// are several roots to be configured.
const workPackages = 4

func (w *workshop) writeArchive() {
	w.t.Helper()
	tools, err := theTools()
	w.must(err)
	key, err := theKey("")
	w.must(err)
	archive := debiantest.Archive{Suite: "trixie", Architecture: runtime.GOARCH, Date: time.Unix(1_780_000_000, 0),
		Packages: []*debiantest.Package{tools}, Key: key}
	for i := range workPackages {
		archive.Packages = append(archive.Packages, &debiantest.Package{
			Control: fmt.Sprintf("Package: p%d\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: one of several\n", i),
			Scripts: map[string]string{"postinst": fmt.Sprintf("#!/bin/sh\nset -e\nsleep 0.%d\necho configured > /etc/p%d\nchown 7:7 /etc/p%d\n", i, i, i)},
		})
	}
	w.must(archive.Write(filepath.Join(w.dir, "archive")))
}

// serveData serves some data that depends on the name, slowly.
func serveData(out http.ResponseWriter, r *http.Request) {
	data := workData(r.PathValue("name"))
	out.Header().Set("Content-Length", strconv.Itoa(len(data)))
	const chunk = 64 << 10
	for len(data) > 0 {
		n := min(chunk, len(data))
		if _, err := out.Write(data[:n]); err != nil {
			return // the client was killed
		}
		data = data[n:]
		time.Sleep(10 * time.Millisecond)
	}
}

func workData(name string) []byte { return bytes.Repeat([]byte(name+"\n"), 100_000) }

// A workStep is a derivation of the definition, with several editions.
type workStep struct {
	number int
	kind   workKind
	// edition changes what it makes, comment only its text, root what it runs in.
	edition, comment, root int
}

// A workKind is what steps of one kind do besides writing $out/text: a script
// where $n is the number of the step.
type workKind struct {
	name, script string
	outputs      []string
	fetches      bool
}

var workKinds = []workKind{
	{name: "quick"},
	{name: "sleeps", script: "sleep 0.$((n % 7))"},
	{name: "forks", script: `
		for i in 1 2 3; do sleep 987650 & done
		sh -c 'trap "" INT TERM HUP; echo in the background; while :; do sleep 987651; done' < /dev/null &
		(sh -c 'while :; do touch "$TMPDIR/busy"; rm "$TMPDIR/busy"; done' &)
		sleep 0.2`},
	{name: "talks", script: `
		i=0
		while test $i -lt 300; do echo "line $i of step $n, which goes on and on"; i=$((i + 1)); done
		sleep 0.1
		echo the last line >&2`},
	{name: "litters", script: `
		mkdir -p d/e "$out/share/many"
		for i in 0 1 2 3 4 5 6 7 8 9; do
			for j in 0 1 2 3 4 5 6 7 8 9; do echo "step $n, $i$j" > "$out/share/many/$i$j"; done
			echo scratch > d/e/$i
		done
		ln -s many "$out/share/link"
		head -c 300000 /dev/zero > "$out/share/zeros"
		chmod 0 d/e
		chmod 0500 d`},
	{name: "moody", script: `
		read -r mood < /proc/sys/kernel/random/uuid
		case $mood in [0-3]*) echo in a bad mood; echo evidence > left; exit 3;; esac`},
	{name: "twofold", outputs: []string{"out", "dev"}, script: `
		mkdir "$dev"
		sleep 0.1
		echo "$out" > "$dev/see"`},
	{name: "fetches", fetches: true, script: `
		head -n 1 "$src" >> "$out/data"`},
}

// workSteps are in layers of workWidth, and each needs two steps of the layer
// before. The last one, "all", needs the whole last layer.
const (
	workSteps = 24
	workWidth = 4
)

func (s *workStep) inputs() []int {
	first := s.number - s.number%workWidth - workWidth
	if first < 0 {
		return nil
	}
	return []int{first + s.number%workWidth, first + (s.number+1)%workWidth}
}

// define writes the definition.
func (w *workshop) define() {
	w.t.Helper()
	var text strings.Builder
	text.WriteString("input \"debian\" {\n  type = \"debian\"\n  suites = [\"trixie\"]\n  security = false\n  keyring = \"keyring.asc\"\n}\n")
	for i := range w.steps {
		w.defineStep(&text, &w.steps[i])
	}
	text.WriteString("\nderivation \"all\" {\n  base = input.debian\n  script = <<-EOT\n    {\n")
	for i := workSteps - workWidth; i < workSteps; i++ {
		fmt.Fprintf(&text, "    cat ${derivation.s%d.out}/text\n", i)
	}
	text.WriteString("    } > \"$out\"\n  EOT\n}\n")
	w.must(os.WriteFile(filepath.Join(w.dir, "work/main.sysc.hcl"), []byte(text.String()), 0o644))
	keyring, err := os.ReadFile(filepath.Join(w.dir, "archive/keyring.asc"))
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.dir, "work/keyring.asc"), keyring, 0o644))
}

func (w *workshop) defineStep(text *strings.Builder, s *workStep) {
	fmt.Fprintf(text, "\nderivation \"s%d\" {\n  base = input.debian\n  packages = [\"p%d\"]\n", s.number, s.root)
	if s.kind.outputs != nil {
		fmt.Fprintf(text, "  outputs = %s\n", strings.ReplaceAll(fmt.Sprintf("%q", s.kind.outputs), " ", ", "))
	}
	if s.kind.fetches {
		name := s.title()
		fmt.Fprintf(text, "  source = fetchurl(%q, \"sha256:%x\")\n", w.server.URL+"/data/"+strings.ReplaceAll(name, " ", "-"),
			sha256.Sum256(workData(strings.ReplaceAll(name, " ", "-"))))
	}
	fmt.Fprintf(text, "  script = <<-EOT\n    # comment %d\n    n=%d\n    mkdir \"$out\"\n    {\n    echo %q\n", s.comment, s.number, s.title())
	for _, in := range s.inputs() {
		fmt.Fprintf(text, "    cat ${derivation.s%d.out}/text\n", in)
	}
	text.WriteString("    } > \"$out/text\"\n")
	for line := range strings.Lines(s.kind.script) {
		text.WriteString("    " + strings.TrimSpace(line) + "\n")
	}
	text.WriteString("  EOT\n}\n")
}

func (s *workStep) title() string {
	return fmt.Sprintf("step %d edition %d", s.number, s.edition)
}

// want returns what derivation "all" makes.
func (w *workshop) want() string {
	texts := make([]string, len(w.steps))
	for i := range w.steps {
		texts[i] = w.steps[i].title() + "\n"
		for _, in := range w.steps[i].inputs() {
			texts[i] += texts[in]
		}
	}
	return strings.Join(texts[workSteps-workWidth:], "")
}

// change makes a new edition of some steps, so that there is something to build.
func (w *workshop) change() {
	lock := false
	for range 1 + w.random.IntN(6) {
		s := &w.steps[w.random.IntN(len(w.steps))]
		switch w.random.IntN(5) {
		case 0:
			s.comment++
		case 1:
			s.root = w.random.IntN(workPackages)
			lock = true
		default:
			s.edition++
		}
	}
	w.define()
	if lock {
		w.sysc("lock")
	}
}

// A worker is a process, and when and how it is ended.
type worker struct {
	cmd    *exec.Cmd
	stderr string        // file
	gone   chan struct{} // closed when it has ended

	ending ending
	after  time.Duration
	ended  bool // before it was told to
}

func (k *worker) isGone() bool {
	select {
	case <-k.gone:
		return true
	default:
		return false
	}
}

// talk returns what the process has written to standard error.
func (k *worker) talk() string {
	text, _ := os.ReadFile(k.stderr) // it was made before the process began
	return string(text)
}

func (k *worker) String() string {
	return fmt.Sprintf("sysc %s, %s after %v", strings.Join(k.cmd.Args[1:], " "), k.ending, k.after)
}

// round changes the definition, lets some processes build it at once and ends
// them, and checks what is left.
func (w *workshop) round() {
	w.t.Helper()
	w.rounds++
	w.change()
	endings := mild
	if w.random.IntN(2) == 0 {
		endings = append(slices.Clone(rough), endsItself)
	}
	var workers []*worker
	for range 1 + w.random.IntN(3) {
		workers = append(workers, w.newWorker(w.buildArgs(), endings))
		w.builds++
	}
	if w.random.IntN(6) == 0 {
		workers = append(workers, w.newWorker([]string{"gc"}, endings))
		w.collections++
	}
	for _, k := range workers {
		w.start(k)
	}
	start := time.Now()
	slices.SortFunc(workers, func(a, b *worker) int { return int(a.after - b.after) })
	for _, k := range workers {
		time.Sleep(k.after - time.Since(start))
		w.end(k)
	}
	for _, k := range workers {
		w.wait(k)
	}
	clean := !slices.ContainsFunc(workers, func(k *worker) bool { return slices.Contains(rough, k.ending) })
	w.check(clean)
	if w.random.IntN(3) == 0 {
		w.buildWhole()
		w.check(clean)
	}
	if w.random.IntN(10) == 0 {
		w.sysc("gc")
		w.check(true)
	}
	if w.t.Failed() {
		for _, k := range workers {
			w.t.Logf("%v: %v\n%s", k, k.cmd.ProcessState, lastLines(k.talk()))
		}
		w.t.FailNow()
	}
	for _, k := range workers {
		w.must(os.Remove(k.stderr))
	}
}

func lastLines(text string) string {
	const most = 30
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "")
}

// buildArgs is a command line of `sysc build`.
func (w *workshop) buildArgs() []string {
	target := "derivation.all"
	if w.random.IntN(4) == 0 {
		target = fmt.Sprintf("derivation.s%d", w.random.IntN(workSteps))
	}
	args := []string{"build", target, "--progress", []string{"plain", "json"}[w.random.IntN(2)]}
	if w.random.IntN(2) == 0 {
		args = append(args, "-k")
	}
	if w.random.IntN(3) == 0 {
		args = append(args, "-j", strconv.Itoa(1+w.random.IntN(6)))
	}
	if w.random.IntN(3) == 0 {
		args = append(args, "--keep-failed")
		w.kept = true
	}
	switch w.random.IntN(8) {
	case 0:
		args = append(args, "--timeout", "250ms")
	case 1:
		args = append(args, "--max-silence", "150ms")
	}
	if target == "derivation.all" && w.random.IntN(4) == 0 {
		args = append(args, "--out-link", filepath.Join(w.dir, "links/result"))
	}
	return args
}

func (w *workshop) newWorker(args []string, endings []ending) *worker {
	k := &worker{cmd: w.command(args...), gone: make(chan struct{}), ending: endings[w.random.IntN(len(endings))]}
	if args[0] != "build" && k.ending == interrupted2 {
		k.ending = interrupted // the second one ends at once what does not build
	}
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Early moments are the interesting ones: later most steps just sleep.
	k.after = time.Duration(w.random.Float64() * w.random.Float64() * float64(w.most))
	return k
}

func (w *workshop) command(args ...string) *exec.Cmd {
	cmd := crashtest.Self(w.t, asSysc, args...)
	cmd.Dir = filepath.Join(w.dir, "work")
	cmd.Env = append(cmd.Env, "SYSC_STORE="+w.store(), "SYSC_DEBIAN_MIRROR="+w.server.URL, "NO_COLOR=1", "HOME="+w.dir)
	return cmd
}

func (w *workshop) store() string { return filepath.Join(w.dir, "store") }

// sysc runs a command that has to work and returns its output.
func (w *workshop) sysc(args ...string) []byte {
	w.t.Helper()
	cmd := w.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("round %d: sysc %s: %v\n%s%s", w.rounds, strings.Join(args, " "), err, out, &stderr)
	}
	return out
}

func (w *workshop) start(k *worker) {
	w.t.Helper()
	stderr, err := os.CreateTemp(filepath.Join(w.dir, "logs"), "")
	w.must(err)
	defer stderr.Close()
	k.stderr, k.cmd.Stderr = stderr.Name(), stderr
	w.must(k.cmd.Start())
	go func() {
		k.cmd.Wait() // its error is in the state
		close(k.gone)
	}()
}

// end ends a process, if it has not ended yet.
func (w *workshop) end(k *worker) {
	if k.ended = k.isGone(); k.ended {
		return
	}
	w.ends[k.ending]++
	send := func(s os.Signal) { k.cmd.Process.Signal(s) } // if it has ended, so be it
	pause := func() { time.Sleep(time.Duration(w.random.Int64N(int64(50 * time.Millisecond)))) }
	switch k.ending {
	case interrupted:
		send(os.Interrupt)
	case interrupted2:
		send(os.Interrupt)
		// Before it builds, the second one would end it at once.
		for !k.isGone() && !strings.Contains(k.talk(), `"type":"draining"`) && !strings.Contains(k.talk(), "press Ctrl-C again") {
			pause()
		}
		send(os.Interrupt)
	case interrupted3:
		for range 3 {
			send(os.Interrupt)
			pause()
		}
	case terminated:
		send(syscall.SIGTERM)
	case hungUp:
		send(syscall.SIGHUP)
	case killed:
		send(os.Kill)
	case killedGroup:
		syscall.Kill(-k.cmd.Process.Pid, syscall.SIGKILL)
	case killedWhenMild:
		for range 2 {
			send(os.Interrupt)
			pause()
		}
		send(os.Kill)
	}
}

// wait waits for the end of a process, and looks at how it ended.
func (w *workshop) wait(k *worker) {
	w.t.Helper()
	timer := time.AfterFunc(longest, func() { k.cmd.Process.Signal(syscall.SIGQUIT) }) // it prints its goroutines
	defer timer.Stop()
	<-k.gone
	code := k.cmd.ProcessState.ExitCode()
	w.codes[code]++
	allowed := []int{exitOK}
	if k.cmd.Args[1] == "build" {
		allowed = append(allowed, exitBuild, exitTimeout)
	}
	if !k.ended && k.ending != endsItself {
		// -1 is the end by a signal, which may have come before it was waited for.
		allowed = append(allowed, exitInterrupted, -1)
	}
	if !slices.Contains(allowed, code) || strings.Contains(k.talk(), "goroutine ") {
		w.t.Errorf("round %d: %v, ended with %v", w.rounds, k, k.cmd.ProcessState)
	}
}

// buildWhole builds until no step is in a bad mood, and looks at the result.
func (w *workshop) buildWhole() {
	w.t.Helper()
	const attempts = 50
	link := filepath.Join(w.dir, "links/whole")
	for range attempts {
		cmd := w.command("build", "derivation.all", "-k", "--out-link", link)
		out, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitBuild {
			w.t.Fatalf("round %d: whole build: %v\n%s", w.rounds, err, out)
		}
	}
	got, err := os.ReadFile(link)
	w.must(err)
	if string(got) != w.want() {
		w.t.Errorf("round %d: the whole build made\n%s\nwant\n%s", w.rounds, got, w.want())
	}
}

// check looks for what processes have left that have ended. clean is set when all
// of them have had a chance to clean up.
func (w *workshop) check(clean bool) {
	w.t.Helper()
	w.awaitProcesses()
	w.checkLocks()
	w.checkLinks(clean)
	left := w.leftovers()
	if clean && len(left) > 0 {
		w.t.Errorf("round %d: all ended in order, but left %q", w.rounds, left)
	}
	w.checkDoctor(len(left) == 0)
	if len(left) > 0 {
		w.littered++
		w.sysc("gc", "--max-free", "1") // not so much that all roots are made anew
		if left := w.leftovers(); len(left) > 0 {
			w.t.Errorf("round %d: a collection left %q", w.rounds, left)
		}
		w.checkDoctor(true)
	}
	w.sysc("store", "verify")
}

// awaitProcesses waits until there are no processes of sandboxes, nor mounts: the
// kernel needs a moment after the end of one that was killed.
func (w *workshop) awaitProcesses() {
	w.t.Helper()
	start := time.Now()
	left := w.processes()
	if len(left) == 0 {
		return
	}
	w.outlived++
	for ; len(left) > 0; left = w.processes() {
		if time.Since(start) > longest {
			w.t.Fatalf("round %d: still there after %v: %q", w.rounds, longest, left)
		}
	}
	w.slowest = max(w.slowest, time.Since(start))
}

// processes returns the processes that have something of the workshop mounted, or
// work in it. Each is given by its id and command.
func (w *workshop) processes() []string {
	w.t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	w.must(err)
	var found []string
	for _, dir := range dirs {
		mounts, _ := os.ReadFile(dir + "/mountinfo") // it has ended if there is none
		cwd, _ := os.Readlink(dir + "/cwd")
		if bytes.Contains(mounts, []byte(w.store())) || strings.HasPrefix(cwd, w.dir) {
			line, _ := os.ReadFile(dir + "/cmdline")
			found = append(found, filepath.Base(dir)+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// checkLocks looks whether somebody holds a lock in the store.
func (w *workshop) checkLocks() {
	w.t.Helper()
	for _, pattern := range []string{"locks/*", "sessions/*", "log/*/*", "downloads/*.lock", "store", "blobs", "trees", "checkouts", "sessions"} {
		names, err := filepath.Glob(filepath.Join(w.store(), pattern))
		w.must(err)
		for _, name := range names {
			f, err := os.Open(name)
			w.must(err)
			held, err := filelock.Held(f)
			w.must(errors.Join(err, f.Close()))
			if held {
				w.t.Errorf("round %d: %s is locked", w.rounds, name)
			}
		}
	}
}

// checkLinks looks for links half made, of which nobody knows when a process was
// killed.
func (w *workshop) checkLinks(clean bool) {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.dir, "links/.*"))
	w.must(err)
	if clean && len(names) > 0 {
		w.t.Errorf("round %d: all ended in order, but left %q", w.rounds, names)
	}
	for _, name := range names {
		w.must(os.Remove(name))
	}
}

// leftovers returns the files in the store that nobody needs.
func (w *workshop) leftovers() []string {
	w.t.Helper()
	var left []string
	err := filepath.WalkDir(w.store(), func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == w.store() {
			return err
		}
		top, below, _ := strings.Cut(strings.TrimPrefix(name, w.store()+"/"), "/")
		isLeft := strings.HasPrefix(d.Name(), ".")
		switch {
		case below == "": // one of the store's directories
		case top == "tmp", top == "sessions":
			isLeft = true
		case top == "failed":
			isLeft = !w.kept
		case top == "locks":
			isLeft = below != "store" && below != "gc"
		case top == "log":
			isLeft = isLeft || !d.IsDir() && strings.Contains(below, "/") && filepath.Ext(name) != ".zst"
		case top == "downloads":
			isLeft = filepath.Ext(name) != ".part"
		}
		if isLeft {
			left = append(left, name)
		}
		if d.IsDir() && below != "" && (isLeft || top == "store" || top == "checkouts" || top == "failed") {
			return fs.SkipDir
		}
		return nil
	})
	w.must(err)
	return left
}

// checkDoctor looks whether doctor says what is true.
func (w *workshop) checkDoctor(clean bool) {
	w.t.Helper()
	cmd := w.command("doctor", "--json")
	out, err := cmd.Output() // it fails when other things are not well here
	var findings []finding
	if json.Unmarshal(out, &findings) != nil || len(findings) == 0 {
		w.t.Fatalf("round %d: doctor: %v\n%s", w.rounds, err, out)
	}
	for _, f := range findings {
		want := stateOK
		switch f.Check {
		case "mounts":
		case "leftovers":
			if !clean {
				want = stateAdvice
			}
		default:
			continue
		}
		if f.State != want {
			w.t.Errorf("round %d: doctor says %+v, want %s", w.rounds, f, want)
		}
	}
}

// finish builds everything, collects what is not of it, and reports.
func (w *workshop) finish() {
	w.t.Helper()
	w.buildWhole()
	w.sysc("gc")
	w.check(true)
	w.t.Logf("%d rounds, %d builds, %d collections beside them; %d rounds left something to be collected", w.rounds, w.builds, w.collections, w.littered)
	w.t.Logf("after %d rounds the kernel was still ending sandboxes, for up to %v", w.outlived, w.slowest.Round(time.Millisecond))
	w.t.Logf("ended: %v; exit codes: %v", w.ends, w.codes)
}
