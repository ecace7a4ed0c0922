package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sysc/derivations"
	"sysc/internal/filelock"
	"sysc/store"
	"sysc/store/tree"
)

func TestExec(t *testing.T) {
	w := newWorld(t).withRoot()
	input := w.exec("input", "write $out/share/x from-input")
	attrs, err := derivations.MakeAttrs(map[string]any{"answer": 42, "files": []string{w.placeholder(input)}, "out": 1, "taken": 1})
	if err != nil {
		t.Fatal(err)
	}
	ref := w.add(derivations.Derivation{
		Name: "hello", Builder: "exec", Root: w.root, Platform: "linux/amd64", Attrs: attrs,
		Env: map[string]string{"GREETING": "hi", "INPUT": w.placeholder(input), "taken": "yes"},
		Args: []string{"/bin/tool", "environment", "show $SYSC_ATTRS_FILE", "show $SYSC_ATTRS_SH", "copy $INPUT/share/x $out", "chmod 0711 $out",
			"write /build/scratch x", "write /tmp/scratch x"},
	})
	paths := w.mustRealise(ref)
	if got := w.content(paths[ref], store.FileEntry); got != "from-input" {
		t.Errorf("got %q", got)
	}
	log, made := w.log(), realisedInput(t, w, input).Logical()
	for _, want := range []string{
		"HOME=/homeless-shelter", "TMPDIR=/build", "TZ=UTC", "LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH=315532800", "SYSC_CORES=3",
		"SYSC_ATTRS_FILE=/build/.attrs.json", "SYSC_ATTRS_SH=/build/.attrs.sh", "GREETING=hi",
		`{"answer":42,"files":["` + made + `"],"out":1,"taken":1}`,
		"answer='42'", `files=''\''` + made + `'\'''`, `# left out: "out"`, `# left out: "taken"`,
	} {
		if !slices.Contains(log, want) {
			t.Errorf("log lacks %q:\n%s", want, strings.Join(log, "\n"))
		}
	}
	o, err := w.store.Object(t.Context(), paths[ref])
	if err != nil {
		t.Fatal(err)
	}
	e, err := tree.Find(t.Context(), w.store, o.Tree, store.FileEntry)
	if err != nil || e.Mode != 0o555 || len(o.References) != 0 {
		t.Errorf("got mode %o, references %v, %v", e.Mode, o.References, err)
	}
	equal(t, "left over", w.leftovers())
}

func TestExecReferences(t *testing.T) {
	w := newWorld(t).withRoot()
	a := w.exec("a", "write $out/x a")
	b := w.exec("b", "write $out/y "+w.placeholder(a)+"/x", "write $out/self $out", "symlink $out/y $out/l")
	c := w.exec("c", "show "+w.placeholder(b)+"/y", "find /sysc/store", "write $out nothing")
	paths := w.mustRealise(b, c)
	o, err := w.store.Object(t.Context(), paths[b])
	if err != nil {
		t.Fatal(err)
	}
	ra := realisedInput(t, w, a)
	if !slices.Equal(o.References, []store.Path{ra}) || len(o.SelfReferences) != 2 {
		t.Errorf("references %v, of itself %v", o.References, o.SelfReferences)
	}
	if got := w.content(paths[b], "self"); got != paths[b].Logical() {
		t.Errorf("got %q, want %q", got, paths[b].Logical())
	}
	// The closure is visible, not only what is named.
	if log := strings.Join(w.log(), "\n"); !strings.Contains(log, ra.Logical()+"/x") {
		t.Errorf("the input's input is not there:\n%s", log)
	}
	if o, _ := w.store.Object(t.Context(), paths[c]); len(o.References) != 0 {
		t.Errorf("references %v", o.References)
	}
}

func realisedInput(t *testing.T, w *world, r derivations.Ref) store.Path {
	t.Helper()
	paths, err := Realise(t.Context(), w.store, w.graph, []derivations.Ref{r}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return paths[r]
}

func TestExecSeveralOutputs(t *testing.T) {
	w := newWorld(t).withRoot()
	out, dev := w.several("two", "write $out/lib x", "write $dev/include uses $out/lib and $dev", "symlink $out/lib $dev/link", "chmod 444 $dev/include")
	paths := w.mustRealise(out, dev)
	want := "uses " + paths[out].Logical() + "/lib and " + paths[dev].Logical()
	if got := w.content(paths[dev], "include"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	o, err := w.store.Object(t.Context(), paths[dev])
	if err != nil || !slices.Equal(o.References, []store.Path{paths[out]}) {
		t.Errorf("references %v, %v", o.References, err)
	}
	if paths[dev].Name() != "two-dev" {
		t.Errorf("got %s", paths[dev])
	}
	link, err := tree.Find(t.Context(), w.store, o.Tree, "link")
	if err != nil || link.Target != paths[out].Logical()+"/lib" {
		t.Errorf("link: %+v, %v", link, err)
	}
}

func TestExecCycles(t *testing.T) {
	w := newWorld(t).withRoot()
	for _, test := range []struct {
		outputs, lines []string
		want           string
	}{
		{[]string{"a", "b"}, []string{"write $a/bin/x $b", "write $b/lib/y see $a/bin"},
			"output a refers to b (in file bin/x), b refers to a (in file lib/y)"},
		// What leads to a circle is no part of it.
		{[]string{"a", "b", "c", "d"}, []string{"write $a $c", "write $b x", "mkdir $c", "symlink $d $c/link", "write $d/x$c text"},
			"output c refers to d (in the target of the link link), d refers to c (in the name of x/sysc/store/"},
		{[]string{"a", "b", "c"}, []string{"write $a $b", "write $b $c", "write $c/\x1b[0m $a", "write $c/y $a"},
			`output a refers to b (in the file itself), b refers to c (in the file itself), c refers to a (in file "\x1b[0m")`},
	} {
		ref := w.add(derivations.Derivation{Name: "circle", Builder: "exec", Root: w.root, Outputs: test.outputs, Args: append([]string{"/bin/tool"}, test.lines...)})
		ref.Output = "a"
		_, err := w.realise(ref)
		var cycle *CycleError
		if want := "outputs refer to one another in a circle: " + test.want; !errors.As(err, &cycle) || !IsFault(err) || !strings.HasPrefix(cycle.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		equal(t, "left over", w.leftovers())
	}
}

func TestExecFailures(t *testing.T) {
	w := newWorld(t).withRoot()
	for _, test := range []struct {
		want  string
		code  int
		lines []string
	}{
		{"exited with code 3", 3, []string{"print last words", "exit 3"}},
		{"exited with code 137: something that it ran was killed", 137, []string{"print last words", "exit 137"}},
		{"was killed", 137, []string{"print last words", "signal 9"}},
		{"was killed: terminated", 143, []string{"print last words", "signal 15"}},
		{`output "out": the program made nothing at $out`, 0, []string{"print last words"}},
		{"neither a file nor a directory", 0, []string{"print last words", "symlink /bin/tool $out"}},
		{"neither a file nor a directory", 0, []string{"print last words", "mkfifo $out"}},
		{"pipe", 0, []string{"print last words", "mkdir $out", "mkfifo $out/pipe"}},
		{`"socket": it is a socket`, 0, []string{"print last words", "mkdir $out", "socket $out/socket"}},
		{"hard link", 0, []string{"print last words", "mkdir $out", "write /sysc/store/other x", "link /sysc/store/other $out/x"}},
		{"read-only", 1, []string{"print last words", "write /etc/x y"}},
	} {
		ref := w.exec("bad", test.lines...)
		_, err := w.realise(ref)
		var failed *Error
		if !errors.As(err, &failed) {
			t.Errorf("%v: got %v", test.lines, err)
			continue
		}
		text := failed.Cause.Error() + strings.Join(failed.Tail, "\n")
		if !strings.Contains(text, test.want) || failed.ExitCode != test.code || failed.Tail[0] != "last words" || failed.LogPath == "" {
			t.Errorf("%v: got %+v, cause %v", test.lines, failed, failed.Cause)
		}
		if !IsFault(err) {
			t.Errorf("%v: %v is no fault of the step", test.lines, err)
		}
		equal(t, "left over", w.leftovers())
	}
	foreign := w.add(derivations.Derivation{Name: "foreign", Platform: "linux/s390x", Builder: "exec", Root: w.root, Args: []string{"/bin/tool"}})
	if _, err := w.realise(foreign); !IsFault(err) || !strings.Contains(err.Error(), "linux/s390x") {
		t.Errorf("got %v", err)
	}
	w.opts.KeepFailed = true
	_, err := w.realise(w.exec("kept", "write /build/evidence x", "exit 1"))
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatal(err)
	}
	w.collect()
	if data, err := os.ReadFile(failed.KeptDir + "/build/evidence"); err != nil || string(data) != "x" {
		t.Errorf("kept: %q, %v", data, err)
	}
}

func TestExecFixed(t *testing.T) {
	w := newWorld(t).withRoot()
	right := store.DigestOf([]byte("right"))
	fixed := func(lines ...string) derivations.Ref {
		w.graph = derivations.NewGraph() // which knows no other way to the same
		return w.add(derivations.Derivation{Name: "f", Builder: "exec", Root: w.root, Args: append([]string{"/bin/tool"}, lines...),
			Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: right, Size: 5}})
	}
	for range 2 { // the second time nobody remembers it as done either
		_, err := w.realise(fixed("write $out wrong"))
		var mismatch *MismatchError
		if !errors.As(err, &mismatch) || IsFault(err) {
			t.Fatalf("got %v", err)
		}
		want := "build f (derivation.f): the result is not the file that was asked for\n  expected " + right.String() + "\n  got      " +
			store.DigestOf([]byte("wrong")).String()
		if err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	for want, lines := range map[string][]string{
		"cannot name store objects":        {"write $out $out"},
		"neither a file nor a directory":   {"write /sysc/store/x right", "symlink x $out"},
		"the program made nothing at $out": {"write /build/out right"},
		"it has a hard link outside":       {"write /sysc/store/x right", "link /sysc/store/x $out"},
	} {
		if _, err := w.realise(fixed(lines...)); !IsFault(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", lines, err, want)
		}
	}
	w.hasNothingOf(fixed("write $out wrong"))
	ref := fixed("write $out right")
	if got := w.content(w.mustRealise(ref)[ref], store.FileEntry); got != "right" {
		t.Errorf("got %q", got)
	}
}

// A program has no network, and no other way to the machine either, when its result is
// known beforehand: only sysc itself fetches (CVE-2024-27297, CVE-2025-46416).
func TestExecFixedHasNoNetwork(t *testing.T) {
	w := newWorld(t).withRoot()
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": fmt.Sprintf("@sysc-build-test-%d", os.Getpid())} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		dial := fmt.Sprintf("%s %s", network, l.Addr())
		there := filepath.Join(t.TempDir(), "said")
		outside := exec.Command(toolPath(t), fmt.Sprintf("dial %s %s", there, dial))
		if out, err := outside.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if said, err := os.ReadFile(there); string(said) != "reached" {
			t.Errorf("without a sandbox: %q, %v", said, err)
		}
		const want = "unreachable"
		ref := w.add(derivations.Derivation{Name: "f-" + network, Builder: "exec", Root: w.root, Args: []string{"/bin/tool", "dial $out " + dial},
			Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte(want)), Size: int64(len(want))}})
		w.mustRealise(ref)
	}
}

// toolPath returns the path of the tests' builder on this machine.
func toolPath(t *testing.T) string {
	t.Helper()
	made, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, made, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each mode is another result, and the message says what to write for it.
func TestExecFixedModes(t *testing.T) {
	w := newWorld(t).withRoot()
	listing := tree.Tree{Entries: []tree.Entry{{Name: "x", Type: tree.File, Mode: tree.ModeExecutable, Size: 5, Digest: store.DigestOf([]byte("right"))}}}
	top, err := listing.Digest()
	if err != nil {
		t.Fatal(err)
	}
	file := store.DigestOf([]byte("right"))
	modes := []struct {
		name   string
		digest store.Digest
		lines  []string
	}{
		{"file", file, []string{"write $out right"}},
		{"executable", file, []string{"write $out right", "chmod 0700 $out"}},
		{"tree", top, []string{"write $out/x right", "chmod 0700 $out/x"}},
	}
	for _, made := range modes {
		for _, want := range modes {
			w.graph = derivations.NewGraph() // which knows no other way to the same
			fixed, ok := derivations.MakeFixed(want.name, want.digest)
			if !ok || fixed.Mode() != want.name {
				t.Fatalf("mode %q is %+v", want.name, fixed)
			}
			ref := w.add(derivations.Derivation{Name: "f-" + made.name, Builder: "exec", Root: w.root, Args: append([]string{"/bin/tool"}, made.lines...), Fixed: fixed})
			paths, err := w.realise(ref)
			if made.name == want.name {
				if o, wrong := w.store.Object(t.Context(), paths[ref]); err != nil || wrong != nil || o.Kind != fixed.Kind {
					t.Errorf("%s: got %+v, %v, %v", want.name, o, err, wrong)
				}
				continue
			}
			message := fmt.Sprintf("the result is not the %s that was asked for\n  expected %s with output_hash_mode = %q\n  got      %s with output_hash_mode = %q",
				want.name, want.digest, want.name, made.digest, made.name)
			var mismatch *MismatchError
			if !errors.As(err, &mismatch) || mismatch.Error() != message {
				t.Errorf("got %v\nwant %s", err, message)
			}
		}
	}
}

func TestWritableRoot(t *testing.T) {
	w := newWorld(t).withRoot()
	input := w.exec("input", "write $out text")
	change := func(variant string) derivations.Ref {
		return w.add(derivations.Derivation{Name: "changed", Builder: "exec", Root: w.root, WritableRoot: true,
			Env: map[string]string{"INPUT": w.placeholder(input), "VARIANT": variant},
			Args: []string{"/bin/tool", "copy $INPUT /etc/new", "chown 42 43 /etc/new", "chmod 2750 /etc/new", "write /etc/change after",
				"remove /bin", "mkfifo /etc/pipe", "write /tmp/x y", "mkdir /var/lib/x", "chown 5 6 /var/lib/x", "show /etc/keep", "write /etc/names $INPUT"},
		})
	}
	one, two := change("one"), change("two")
	paths := w.mustRealise(one, two)
	if paths[one] != paths[two] {
		t.Errorf("two runs give %s and %s", paths[one], paths[two])
	}
	o, err := w.store.Object(t.Context(), paths[one])
	if err != nil || o.Kind != store.KindRoot {
		t.Fatalf("got %+v, %v", o, err)
	}
	if !slices.Equal(o.References, []store.Path{realisedInput(t, w, input)}) {
		t.Errorf("references %v", o.References)
	}
	got := make(map[string]tree.Entry)
	if err := tree.Walk(t.Context(), w.store, o.Tree, func(path string, e tree.Entry) error { got[path] = e; return nil }); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]tree.Entry{
		"etc/new":    {Type: tree.File, Mode: 0o2750, UID: 42, GID: 43},
		"etc/keep":   {Type: tree.File, Mode: 0o755, UID: 7, GID: 8},
		"etc/change": {Type: tree.File, Mode: 0o755},
		"var/lib/x":  {Type: tree.Dir, Mode: 0o755, UID: 5, GID: 6},
		"tmp":        {Type: tree.Dir, Mode: 0o755},
		"sysc":       {Type: tree.Dir, Mode: 0o755},
	} {
		e, ok := got[path]
		if !ok || e.Type != want.Type || e.Mode != want.Mode || e.UID != want.UID || e.GID != want.GID || len(e.Xattrs) != 0 {
			t.Errorf("%s: got %+v, want %+v", path, e, want)
		}
	}
	for _, path := range []string{"etc/pipe", "bin", "bin/tool", "tmp/x", "build/.attrs.json", "sysc/store"} {
		if e, ok := got[path]; ok {
			t.Errorf("%s is there: %+v", path, e)
		}
	}
	if text := w.content(paths[one], "etc/change"); text != "after" {
		t.Errorf("got %q", text)
	}
	equal(t, "left over", w.leftovers())
}

// A cancelled step leaves no lock, process, mount, open file or directory. That
// each was there while it ran shows that the test would see it.
func TestExecCancel(t *testing.T) {
	w := newWorld(t).withRoot()
	hang := w.exec("hang", "write /build/x y", "mkdir $out", "print started", "hang")
	other := w.open()
	locks := func() []string { // those of steps; "store" is that of the whole store
		list, err := filepath.Glob(filepath.Join(w.dir, "locks", "[0-9a-f]*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	held := 0
	ctx, cancel := context.WithCancel(t.Context())
	w.opts.Events = func(e Event) {
		if e.Kind != LogLine {
			return
		}
		for _, file := range locks() {
			if release, err := filelock.TryLock(file); err == nil {
				release()
			} else {
				held++
			}
		}
		if len(childProcesses(t)) == 0 || len(mountsOf(t, w.dir)) == 0 || len(w.leftovers()) == 0 {
			t.Error("nothing to be seen while it runs")
		}
		cancel()
	}
	_, err := Realise(ctx, w.store, w.graph, []derivations.Ref{hang}, &w.opts)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if held != 1 {
		t.Errorf("%d locks were held while it ran", held)
	}
	equal(t, "left over", w.leftovers())
	equal(t, "locks", locks())
	equal(t, "processes", childProcesses(t))
	equal(t, "mounts", mountsOf(t, w.dir))
	equal(t, "open files", openFiles(t, filepath.Join(w.dir, "tmp")))

	// Another process need not wait for it.
	again := w.opts
	ctx, cancel = context.WithCancel(t.Context())
	again.Events = func(e Event) {
		switch e.Kind {
		case Waiting:
			t.Errorf("it waits for %s", e.Line)
			cancel()
		case LogLine:
			cancel()
		}
	}
	if _, err := Realise(ctx, other, w.graph, []derivations.Ref{hang}, &again); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	equal(t, "left over", w.leftovers())
}

// TestExecLimits: what takes too long is killed, with all that it started, and its
// log is there.
func TestExecLimits(t *testing.T) {
	w := newWorld(t).withRoot()
	limited := func(limits derivations.RunLimits, last string) derivations.Ref {
		return w.add(derivations.Derivation{Name: "slow", Builder: "exec", Root: w.root, RunLimits: limits,
			Args: []string{"/bin/tool", "print first words", last}})
	}
	const short, long = 2 * time.Second, time.Hour
	silent := limited(derivations.RunLimits{Timeout: long, Silence: short}, "hang")
	busy := limited(derivations.RunLimits{Timeout: short, Silence: long}, "babble")
	w.opts.KeepGoing, w.opts.Jobs = true, 2
	_, err := w.realise(silent, busy)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{derivations.MaxSilence, derivations.Timeout} {
		err := joined.Unwrap()[i]
		var failed *Error
		var limit *LimitError
		if !errors.As(err, &failed) || !errors.As(err, &limit) || limit.Limit != want || limit.After != short {
			t.Fatalf("got %v, want %s", err, want)
		}
		if len(failed.Tail) == 0 || failed.LogPath == "" {
			t.Errorf("%s: the log is gone: %+v", want, failed)
		}
	}
	equal(t, "left over", w.leftovers())
	// The options bound what the derivation does not.
	w.opts.MaxSilence = time.Second / 10
	var limit *LimitError
	if _, err := w.realise(limited(derivations.RunLimits{}, "hang")); !errors.As(err, &limit) || limit.After != w.opts.MaxSilence {
		t.Errorf("got %v", err)
	}
}

// TestExecLogLimit keeps the head and the tail of a log.
func TestExecLogLimit(t *testing.T) {
	w := newWorld(t).withRoot()
	lines := []string{"/bin/tool", "print the beginning"}
	for range 100 {
		lines = append(lines, "print "+strings.Repeat("x", 100))
	}
	ref := w.add(derivations.Derivation{Name: "loud", Builder: "exec", Root: w.root, RunLimits: derivations.RunLimits{Log: 1000},
		Args: append(lines, "print the end", "exit 1")})
	_, err := w.realise(ref)
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	log, err := OpenLog(failed.LogPath)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(log)
	if err != nil || log.Close() != nil {
		t.Fatal(err)
	}
	if s := string(text); !strings.HasPrefix(s, "the beginning\n") || !strings.HasSuffix(s, "the end\n") || !strings.Contains(s, "bytes left out") || len(s) > 4000 {
		t.Errorf("got %d bytes:\n%s", len(s), s)
	}
}

// A program sees its closure and nothing else, whether that is small or large.
func TestExecInputs(t *testing.T) {
	asOrdinaryUser(t)
	w := newWorld(t).withRoot()
	w.closureOf(3 * fewInputs) // what others have
	for _, n := range []int{1, fewInputs, fewInputs + 1, 2 * fewInputs} {
		input := w.closureOf(n)
		ref := w.add(derivations.Derivation{Name: "sees", Builder: "exec", Root: w.root, Env: map[string]string{"INPUT": input},
			Args: []string{"/bin/tool", "find /sysc/store", "write $out/x $INPUT", "copy $INPUT/f $out/f", "chmod 0 $out/f"}})
		paths := w.mustRealise(ref)
		p, _, err := store.ParseLogical(input)
		if err != nil {
			t.Fatal(err)
		}
		closure, err := w.store.Closure(t.Context(), []store.Path{p})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{store.Dir}
		for _, p := range closure {
			want = append(want, p.Logical(), p.Logical()+"/f")
		}
		slices.Sort(want)
		got := w.log()
		slices.Sort(got)
		equal(t, "visible", got, want...)
		if text := w.content(paths[ref], "f"); text != strconv.Itoa(n-1) {
			t.Errorf("got %q", text)
		}
		_, err = w.realise(w.exec("writes", "write "+input+"/f changed"))
		if err == nil || !strings.Contains(strings.Join(w.log(), "\n"), "read-only") {
			t.Errorf("got %v, %q", err, w.log())
		}
	}
	equal(t, "left over", w.leftovers())
}
