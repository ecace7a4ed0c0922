package dpkg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems/distro/debian/dpkg"
)

// An archive is a store with unpacked packages in it.
type archive struct {
	t     *testing.T
	store *localstore.Store
	step  builtin.Step
	in    dpkg.Layout
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	st, err := localstore.Open(t.Context(), t.TempDir()+"/store", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	a := &archive{t: t, store: st, in: dpkg.Layout{Architecture: "amd64"}}
	a.step = builtin.Step{Derivation: &derivations.Derivation{Name: "root"}, Store: st, Log: io.Discard}
	return a
}

// add makes a package. fields is its control file without name; files has lines
// "mode path = content", "mode path/" for directories, "path -> target"; members
// are further control members, "name: content".
func (a *archive) add(name, fields, files string, members ...string) {
	a.t.Helper()
	b := tree.NewBuilder(a.store, store.Digest{})
	put := func(path string, e tree.Entry) {
		a.t.Helper()
		if err := b.Put(a.t.Context(), path, e); err != nil {
			a.t.Fatal(err)
		}
	}
	text := func(path, content string, mode uint32) {
		digest, size, err := a.store.AddBlob(a.t.Context(), strings.NewReader(content))
		if err != nil {
			a.t.Fatal(err)
		}
		put(path, tree.Entry{Type: tree.File, Mode: mode, Digest: digest, Size: size})
	}
	dir := func(path string, mode uint32) {
		if err := b.Mkdir(a.t.Context(), path, tree.Entry{Type: tree.Dir, Mode: mode}); err != nil {
			a.t.Fatal(err)
		}
	}
	if !strings.Contains(fields, "Version:") {
		fields = "Version: 1\n" + fields
	}
	text("control/control", "Package: "+name+"\nArchitecture: amd64\n"+fields+"\n", 0o644)
	for _, m := range members {
		member, content, _ := strings.Cut(m, ": ")
		text("control/"+member, content, 0o644)
	}
	dir("data", 0o755)
	for line := range strings.Lines(files) {
		line = strings.TrimSpace(line)
		if path, target, ok := strings.Cut(line, " -> "); ok {
			put("data/"+path, tree.Entry{Type: tree.Link, Mode: 0o777, Target: target})
			continue
		}
		head, content, isFile := strings.Cut(line, " = ")
		var mode uint32
		var path string
		if _, err := fmt.Sscanf(head, "%o %s", &mode, &path); err != nil {
			a.t.Fatalf("%q: %v", line, err)
		}
		if isFile {
			text("data/"+path, content, mode)
		} else {
			dir("data/"+strings.TrimSuffix(path, "/"), mode)
		}
	}
	digest, _, err := b.Write(a.t.Context(), a.store)
	if err != nil {
		a.t.Fatal(err)
	}
	o, err := a.store.MakeObject(a.t.Context(), name, store.KindRoot, digest, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.store.Register(a.t.Context(), []store.Object{o}, nil); err != nil {
		a.t.Fatal(err)
	}
	a.in.Packages = append(a.in.Packages, dpkg.Input{Name: name, Tree: o.Path.Logical()})
	a.step.Derivation.Sources = append(a.step.Derivation.Sources, o.Path)
}

// compose runs the step and returns the root's tree.
func (a *archive) compose() (store.Digest, error) {
	attrs, err := derivations.MakeAttrs(a.in)
	if err != nil {
		return store.Digest{}, err
	}
	a.step.Derivation.Attrs = attrs
	if err := dpkg.Compose(a.t.Context(), &a.step); err != nil {
		return store.Digest{}, err
	}
	result, ok := a.step.Result(derivations.DefaultOutput)
	if !ok || result.Kind != store.KindRoot {
		return store.Digest{}, fmt.Errorf("result is %+v", result)
	}
	return result.Tree, nil
}

func (a *archive) mustCompose() store.Digest {
	a.t.Helper()
	d, err := a.compose()
	if err != nil {
		a.t.Fatal(err)
	}
	return d
}

// list writes a tree without dpkg's directory in the notation of add.
func (a *archive) list(d store.Digest) string {
	a.t.Helper()
	var out strings.Builder
	err := tree.Walk(a.t.Context(), a.store, d, func(path string, e tree.Entry) error {
		switch {
		case strings.HasPrefix(path, "var"):
		case e.Type == tree.Link:
			fmt.Fprintf(&out, "%s -> %s\n", path, e.Target)
		case e.Type == tree.Dir:
			fmt.Fprintf(&out, "%o %s/\n", e.Mode, path)
		default:
			fmt.Fprintf(&out, "%o %s = %s\n", e.Mode, path, a.blob(e.Digest))
		}
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return out.String()
}

func (a *archive) blob(d store.Digest) string {
	a.t.Helper()
	f, err := a.store.OpenBlob(a.t.Context(), d)
	if err != nil {
		a.t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// file returns a file of dpkg's directory.
func (a *archive) file(root store.Digest, name string) string {
	a.t.Helper()
	e, err := tree.Find(a.t.Context(), a.store, root, "var/lib/dpkg/"+name)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.blob(e.Digest)
}

func (a *archive) check(root store.Digest, name, want string) {
	a.t.Helper()
	if diff := cmp.Diff(want, a.file(root, name)); diff != "" {
		a.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func trim(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

func TestMerge(t *testing.T) {
	const links = `
		bin -> usr/bin
		lib -> usr/lib
		lib64 -> usr/lib64
		sbin -> usr/sbin`
	const dirs = `
		755 usr/lib/
		755 usr/lib64/
		755 usr/sbin/`
	tests := []struct {
		name string
		add  func(a *archive)
		want string
	}{
		{
			"merged /usr with and without links in base-files",
			func(a *archive) {
				a.add("aaa", "", "755 bin/\n755 bin/a = 1\n755 usr/bin/b = 2")
				a.add("base-files", "", "bin -> usr/bin\n755 usr/bin/")
			},
			links + "\n755 usr/\n755 usr/bin/\n755 usr/bin/a = 1\n755 usr/bin/b = 2" + dirs,
		},
		{
			"the first directory's mode stays",
			func(a *archive) {
				a.add("b", "", "700 usr/d/\n644 usr/d/b = b")
				a.add("a", "", "711 usr/d/\n644 usr/d/a = a")
			},
			links + "\n755 usr/\n755 usr/bin/\n711 usr/d/\n644 usr/d/a = a\n644 usr/d/b = b" + dirs,
		},
		{
			"directory over a link to a directory",
			func(a *archive) {
				a.add("a", "", "755 usr/d/\nusr/e -> d")
				a.add("b", "", "755 usr/e/\n644 usr/e/x = x")
			},
			links + "\n755 usr/\n755 usr/bin/\n755 usr/d/\n644 usr/d/x = x\nusr/e -> d" + dirs,
		},
		{
			"link over a directory",
			func(a *archive) {
				a.add("a", "", "755 usr/d/\n644 usr/d/x = x")
				a.add("b", "", "usr/d -> e")
			},
			links + "\n755 usr/\n755 usr/bin/\n755 usr/d/\n644 usr/d/x = x" + dirs,
		},
		{
			"replaces, laid out before and after",
			func(a *archive) {
				a.add("a", "Replaces: b (<< 2)", "644 usr/x = a")
				a.add("b", "", "644 usr/x = b\n644 usr/y = b")
				a.add("c", "Replaces: b", "644 usr/y = c")
			},
			links + "\n755 usr/\n755 usr/bin/" + dirs + "\n644 usr/x = a\n644 usr/y = c",
		},
		{
			"the same link in two packages",
			func(a *archive) {
				a.add("a", "", "usr/x -> y")
				a.add("b", "", "usr/x -> y")
			},
			links + "\n755 usr/\n755 usr/bin/" + dirs + "\nusr/x -> y",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			tt.add(a)
			root := a.mustCompose()
			if diff := cmp.Diff(trim(tt.want), a.list(root)); diff != "" {
				t.Errorf("root (-want +got):\n%s", diff)
			}
			slices.Reverse(a.in.Packages)
			if again := a.mustCompose(); again != root {
				t.Error("depends on the order of the packages")
			}
		})
	}
}

func TestOverwrite(t *testing.T) {
	tests := []struct {
		name string
		add  func(a *archive)
		want string
	}{
		{
			"two files",
			func(a *archive) {
				a.add("b", "Version: 2", "644 usr/x = b")
				a.add("a", "", "644 usr/x = a")
			},
			`package b (2): trying to overwrite "/usr/x", which is also in package a`,
		},
		{
			"replaces other versions",
			func(a *archive) {
				a.add("a", "Version: 2", "644 usr/x = a")
				a.add("b", "Replaces: a (<< 2)", "644 usr/x = b")
			},
			`package b (1): trying to overwrite "/usr/x", which is also in package a`,
		},
		{
			"file over a directory",
			func(a *archive) {
				a.add("a", "", "755 usr/x/")
				a.add("b", "", "644 usr/x = b")
			},
			`package b (1): trying to overwrite "/usr/x", which is also in package a`,
		},
		{
			"file over the links of /usr",
			func(a *archive) { a.add("a", "", "644 bin = a") },
			`package a (1): trying to overwrite "/bin", which is also in package merged /usr`,
		},
		{
			"two that divert",
			func(a *archive) {
				a.add("a", "", "644 usr/x = a", "preinst: dpkg-divert --rename /usr/x")
				a.add("b", "", "644 usr/x = b", "preinst: dpkg-divert --rename /usr/x")
			},
			`package b (1): trying to overwrite "/usr/x", which is also in package a`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			tt.add(a)
			_, err := a.compose()
			var overwrite *dpkg.OverwriteError
			if !errors.As(err, &overwrite) || overwrite.Error() != tt.want {
				t.Errorf("error is %v, want %s", err, tt.want)
			}
		})
	}
}

func TestDatabase(t *testing.T) {
	a := newArchive(t)
	a.add("zlib", "Multi-Arch: same\nDescription: a library\n long text\n .", "755 usr/\n755 usr/lib/\n644 usr/lib/z.so.1 = z\nusr/lib/z.so -> z.so.1",
		"triggers: activate-noawait ldconfig\n", "shlibs: z 1\n")
	a.add("tool", "Replaces: zlib", "755 usr/\n755 usr/lib/\n644 usr/lib/z.so.1 = mine\n755 etc/\n600 etc/tool.conf = setting\n755 lib/\n644 lib/x = x",
		"conffiles: /etc/tool.conf\nremove-on-upgrade /etc/old\n/etc/missing\n",
		"md5sums: abc  usr/lib/z.so.1\n", "postinst: #!/bin/sh\n",
		"triggers: # comment\ninterest ldconfig\ninterest-noawait /usr/share/x\n\ninterest-await /a\n")
	root := a.mustCompose()

	a.check(root, "status", trim(`
		Package: tool
		Status: install ok unpacked
		Architecture: amd64
		Version: 1
		Replaces: zlib
		Conffiles:
	`)+" /etc/tool.conf 7dc22b2c6a992f0232345df41303f5ea\n\n"+trim(`
		Package: zlib
		Status: install ok unpacked
		Architecture: amd64
		Version: 1
		Multi-Arch: same
		Description: a library
	`)+" long text\n .\n\n")
	a.check(root, "info/tool.list", "/.\n/etc\n/etc/tool.conf\n/lib\n/lib/x\n/usr\n/usr/lib\n/usr/lib/z.so.1\n")
	a.check(root, "info/tool.md5sums", "abc  usr/lib/z.so.1\n")
	a.check(root, "info/tool.postinst", "#!/bin/sh\n")
	// What tool replaces is zlib's no more, and links come last.
	a.check(root, "info/zlib:amd64.list", "/.\n/usr\n/usr/lib\n/usr/lib/z.so\n")
	a.check(root, "info/zlib:amd64.md5sums", "fbade9e36a3f36d3d676c1b808451dd7  usr/lib/z.so.1\n")
	a.check(root, "info/zlib:amd64.shlibs", "z 1\n")
	a.check(root, "info/format", "1\n")
	a.check(root, "arch", "amd64\n")
	a.check(root, "diversions", "")
	a.check(root, "triggers/File", "/a tool\n/usr/share/x tool/noawait\n")
	a.check(root, "triggers/ldconfig", "tool\n")
	a.check(root, "sysc/preinst", "")
	a.check(root, "sysc/staged", "")
	if _, err := tree.Find(t.Context(), a.store, root, "var/lib/dpkg/info/tool.control"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("the control file is in info: %v", err)
	}
}

func TestStaged(t *testing.T) {
	a := newArchive(t)
	a.add("b", "", "644 usr/x = diverting", "preinst: dpkg-divert --rename --add /usr/x")
	a.add("c", "", "644 usr/x = diverted")
	a.add("base-passwd", "Version: 3", "755 usr/", "preinst: x")
	root := a.mustCompose()
	if got := a.list(root); !strings.Contains(got, "644 usr/x = diverted\n") {
		t.Errorf("in place is\n%s", got)
	}
	a.check(root, "sysc/staged", "0 b /usr/x\n")
	a.check(root, "sysc/0", "diverting")
	a.check(root, "sysc/preinst", "base-passwd base-passwd amd64 3\nb b amd64 1\n")
}

func TestComposeErrors(t *testing.T) {
	tests := []struct {
		name string
		add  func(a *archive)
		want string
	}{
		{"other name", func(a *archive) { a.add("a", "", "755 usr/"); a.in.Packages[0].Name = "b" }, `package "b": the control file is that of "a"`},
		{"twice", func(a *archive) { a.add("a", "", "755 usr/"); a.in.Packages = append(a.in.Packages, a.in.Packages[0]) }, `package "a" is there twice`},
		{"not an input", func(a *archive) { a.add("a", "", "755 usr/"); a.step.Derivation.Sources = nil }, "not an input"},
		{"odd trigger", func(a *archive) { a.add("a", "", "755 usr/", "triggers: interest ../../x\n") }, "is no trigger's name"},
		{"trigger called File", func(a *archive) { a.add("a", "", "755 usr/", "triggers: interest File\n") }, "is no trigger's name"},
		{"relative conffile", func(a *archive) { a.add("a", "", "755 usr/", "conffiles: etc/x\n") }, "no absolute path"},
		{"field twice", func(a *archive) { a.add("a", "Version: 1\nversion: 2", "755 usr/") }, "twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			tt.add(a)
			if _, err := a.compose(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestCanceled(t *testing.T) {
	a := newArchive(t)
	a.add("a", "", "755 usr/")
	attrs, err := derivations.MakeAttrs(a.in)
	if err != nil {
		t.Fatal(err)
	}
	a.step.Derivation.Attrs = attrs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := dpkg.Compose(ctx, &a.step); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
}

func TestScriptIsPlainASCII(t *testing.T) {
	if i := bytes.IndexFunc([]byte(dpkg.ConfigureScript), func(r rune) bool { return r > 126 }); i >= 0 {
		t.Errorf("odd character at %d", i)
	}
}
