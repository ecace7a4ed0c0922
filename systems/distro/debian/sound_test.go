package debian_test

import (
	"crypto/md5" // what packages have of their files
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"sysc/store/tree"
)

// sound asks dpkg and apt for what is wrong, and compares every file with its package's.
func (r realRoot) sound(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"/usr/bin/dpkg", "--audit"}, {"/usr/bin/dpkg", "--verify"}} {
		if out := r.run(t, args...); out != "" {
			t.Errorf("%s:\n%s", strings.Join(args, " "), out)
		}
	}
	r.run(t, "/usr/bin/apt-get", "check")
	r.debsums(t)
}

// debsums compares the files of all packages with the sums in dpkg's database, where each
// was diverted to, if it was.
func (r realRoot) debsums(t *testing.T) {
	t.Helper()
	diverted := map[string]string{}
	lines := strings.Split(strings.TrimSpace(r.read(t, "var/lib/dpkg/diversions")), "\n")
	for i := 0; i+2 < len(lines); i += 3 { // from, to, by whom
		diverted[lines[i]+" "+lines[i+2]] = lines[i+1]
	}
	divertedTo := func(name, by string) string {
		for key, to := range diverted {
			if from, owner, _ := strings.Cut(key, " "); from == name && owner != by {
				return to
			}
		}
		return name
	}
	files := 0
	for _, e := range r.list(t, "var/lib/dpkg/info") {
		name, ok := strings.CutSuffix(e.Name, ".md5sums")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, ":")
		for line := range strings.Lines(r.read(t, "var/lib/dpkg/info/"+e.Name)) {
			want, file, ok := strings.Cut(strings.TrimRight(line, "\n"), "  ")
			if !ok {
				t.Errorf("%s: %q", e.Name, line)
				continue
			}
			files++
			where := divertedTo("/"+file, name)
			sum := md5.Sum([]byte(r.read(t, where[1:])))
			if got := hex.EncodeToString(sum[:]); got != want {
				t.Errorf("%s of %s is another file: %s, want %s", where, name, got, want)
			}
		}
	}
	t.Logf("%d files are those of their packages", files)
	if files == 0 {
		t.Error("no sums")
	}
}

// read returns a file of the root.
func (r realRoot) read(t *testing.T, name string) string {
	t.Helper()
	_, e, err := tree.Resolve(t.Context(), r.store, r.tree, name)
	if err != nil {
		t.Error(err)
		return ""
	}
	f, err := r.store.OpenBlob(t.Context(), e.Digest)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func (r realRoot) list(t *testing.T, name string) []tree.Entry {
	t.Helper()
	_, e, err := tree.Resolve(t.Context(), r.store, r.tree, name)
	if err != nil {
		t.Fatal(err)
	}
	listing, err := r.store.Tree(t.Context(), e.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return listing.Entries
}
