package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sysc/internal/crashtest"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

// BenchmarkStore measures the store beside programs that do the same: "make bench"
// prints ratios. Peers that are not installed are left out. The tree is a part of
// the machine's own /usr, or what $SYSC_BENCH_TREE names; $SYSC_BENCH_BINARY names
// the program, else the test itself does its work, which takes longer to start.
// Root gets a file system of its own for all that: one in long use is slower.
func BenchmarkStore(b *testing.B) {
	p := newPeers(b)
	p.makeTree(b)
	b.Run("add", p.add)
	b.Run("add-unchanged", p.addUnchanged)
	b.Run("checkout", p.checkout)
	b.Run("verify", p.verify)
	b.Run("closure-10000", p.closure)
	b.Run("gc-10000", p.gc)
}

// peers has what all measurements share.
type peers struct {
	dir, tree, binary string
	mirror            string // of Debian packages
	// What [peers.run] measured of the last program: the largest resident set, in KiB,
	// and the processor's time; 0 when nobody did.
	peak int64
	cpu  time.Duration
}

// mountFresh mounts a new file system at dir.
func mountFresh(b *testing.B, dir string) {
	image := filepath.Join(b.TempDir(), "image")
	check(b, os.WriteFile(image, nil, 0o600))
	const size = 12 << 30
	check(b, os.Truncate(image, size))
	check(b, command(nil, "mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image))
	check(b, command(nil, "mount", "-o", "loop", image, dir))
	b.Cleanup(func() { check(b, command(nil, "umount", dir)) })
}

// Bounds of the tree, when it is taken from /usr.
const (
	peerFiles = 12_000
	peerBytes = 600 << 20
)

func newPeers(b *testing.B) *peers {
	p := &peers{dir: b.TempDir(), binary: os.Getenv("SYSC_BENCH_BINARY")}
	b.Cleanup(func() { makeRemovable(p.dir) })
	if os.Geteuid() == 0 {
		mountFresh(b, p.dir)
	}
	return p
}

// makeTree makes the tree that the store's benchmarks work on.
func (p *peers) makeTree(b *testing.B) {
	if p.tree = os.Getenv("SYSC_BENCH_TREE"); p.tree == "" {
		p.tree = filepath.Join(p.dir, "tree")
		check(b, copySome("/usr", p.tree))
	}
}

// copySome copies files until there are enough.
func copySome(from, to string) error {
	files, size := 0, int64(0)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		const large = 20 << 20
		if info.Size() > large || size+info.Size() > peerBytes {
			return nil
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if err := copyFile(path, filepath.Join(to, rel), info.Mode()); err != nil {
			return err
		}
		files, size = files+1, size+info.Size()
		if files >= peerFiles {
			return fs.SkipAll
		}
		return nil
	})
	return err
}

func copyFile(from, to string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode.Perm()|0o400)
}

// A peer is a program, or several, that does what is measured. before is not
// measured.
type peer struct {
	name   string
	before func(dir string) error
	run    func(dir string) error
}

// programs are what has to be installed: the one that the name begins with and, where
// nix builds, what it has for /bin/sh.
func (p *peer) programs() []string {
	first := strings.Fields(p.name)[0]
	if first == "nix-build" || p.name == nixRealise {
		return []string{first, "busybox"}
	}
	return []string{first}
}

// compare runs each peer with a directory of its own; the first is sysc.
func (p *peers) compare(b *testing.B, all ...peer) {
	for _, one := range all {
		b.Run(one.name, func(b *testing.B) {
			for _, program := range one.programs() {
				if _, err := exec.LookPath(program); err != nil && program != "sysc" {
					b.Skip(program + " is not installed")
				}
			}
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				dir, err := os.MkdirTemp(p.dir, "run")
				check(b, err)
				if one.before != nil {
					check(b, one.before(dir))
				}
				unix.Sync() // nobody pays for what was before
				check(b, shrink())
				p.peak, p.cpu = 0, 0
				begin := cpuTime()
				b.StartTimer()
				check(b, one.run(dir))
				b.StopTimer()
				if p.cpu == 0 {
					p.cpu = cpuTime() - begin
				}
				cpu += p.cpu
				makeRemovable(dir)
				check(b, os.RemoveAll(dir))
				b.StartTimer()
			}
			b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "cpu-ms")
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "wall-ms")
			if p.peak > 0 {
				b.ReportMetric(float64(p.peak)/1024, "peak-MiB")
			}
		})
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func cpuTime() time.Duration {
	total := time.Duration(0)
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

// command runs a program.
func command(stdin io.Reader, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = stdin
	cmd.Env = append(os.Environ(), "NIX_CONFIG=experimental-features = nix-command\nbuild-users-group =\nsandbox = false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func shell(script string, args ...string) error {
	return command(nil, append([]string{"sh", "-c", script, "sh"}, args...)...)
}

// sysc runs this program on the store below dir.
func (p *peers) sysc(b *testing.B, dir string, args ...string) error {
	cmd := crashtest.Self(b, asSysc, args...)
	if p.binary != "" {
		cmd = exec.Command(p.binary, args...)
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "SYSC_STORE="+dir+"/store", "XDG_CACHE_HOME="+dir+"/cache", "SYSC_DEBIAN_MIRROR="+p.mirror)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sysc %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func nixAdd(dir, tree string) error {
	return command(nil, "nix", "--store", dir+"/nix", "store", "add-path", "--name", "tree", tree)
}

func ostreeInit(dir string) error {
	return command(nil, "ostree", "--repo="+dir+"/repo", "init", "--mode=bare-user")
}

func ostreeCommit(dir, tree string) error {
	return command(nil, "ostree", "--repo="+dir+"/repo", "commit", "-b", "x", "--tree=dir="+tree, "--owner-uid=0", "--owner-gid=0", "--no-xattrs")
}

// sha256All hashes all files of a tree with two processes.
const sha256All = `find "$1" -type f -print0 | xargs -0 -P 2 -n 500 sha256sum >/dev/null`

func (p *peers) add(b *testing.B) {
	p.compare(b,
		peer{"sysc", nil, func(dir string) error { return p.sysc(b, dir, "store", "add", p.tree) }},
		peer{"cp -a", nil, func(dir string) error { return command(nil, "cp", "-a", p.tree, dir+"/copy") }},
		peer{"nix store add-path", nil, func(dir string) error { return nixAdd(dir, p.tree) }},
		peer{"ostree commit", ostreeInit, func(dir string) error { return ostreeCommit(dir, p.tree) }},
		peer{"sha256sum in 2 processes", nil, func(string) error { return shell(sha256All, p.tree) }},
		peer{"cp -a after SHA-256 in Go", nil, func(dir string) error {
			return errors.Join(hashAll(p.tree), command(nil, "cp", "-a", p.tree, dir+"/copy"))
		}},
	)
}

// hashAll reads and hashes all files of a tree, one after another: what adding them
// cannot do without.
func hashAll(dir string) error {
	h, buf := sha256.New(), make([]byte, 256<<10)
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		h.Reset()
		_, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, buf)
		return errors.Join(err, f.Close())
	})
}

func (p *peers) addUnchanged(b *testing.B) {
	p.compare(b,
		peer{"sysc", func(dir string) error { return p.sysc(b, dir, "store", "add", p.tree) },
			func(dir string) error { return p.sysc(b, dir, "store", "add", p.tree) }},
		peer{"find -printf", nil, func(string) error { return shell(`find "$1" -printf '%p %m %U %G %s %T@ %C@ %l\n' >/dev/null`, p.tree) }},
		peer{"nix store add-path", func(dir string) error { return nixAdd(dir, p.tree) }, func(dir string) error { return nixAdd(dir, p.tree) }},
		peer{"ostree commit", func(dir string) error {
			if err := ostreeInit(dir); err != nil {
				return err
			}
			return ostreeCommit(dir, p.tree)
		}, func(dir string) error { return ostreeCommit(dir, p.tree) }},
	)
}

func (p *peers) checkout(b *testing.B) {
	p.compare(b,
		peer{"sysc", func(dir string) error {
			return p.sysc(b, dir, "store", "add", p.tree, "--name", "tree", "--out-link", dir+"/link")
		},
			func(dir string) error { return p.sysc(b, dir, "store", "checkout", dir+"/link", dir+"/out") }},
		peer{"cp -al", func(dir string) error { return command(nil, "cp", "-a", p.tree, dir+"/copy") },
			func(dir string) error { return command(nil, "cp", "-al", dir+"/copy", dir+"/out") }},
		peer{"ostree checkout -H", func(dir string) error {
			if err := ostreeInit(dir); err != nil {
				return err
			}
			return ostreeCommit(dir, p.tree)
		}, func(dir string) error {
			return command(nil, "ostree", "--repo="+dir+"/repo", "checkout", "-U", "-H", "x", dir+"/out")
		}},
	)
}

func (p *peers) verify(b *testing.B) {
	p.compare(b,
		peer{"sysc", func(dir string) error { return p.sysc(b, dir, "store", "add", p.tree) },
			func(dir string) error { return p.sysc(b, dir, "store", "verify") }},
		peer{"sha256sum in 2 processes", nil, func(string) error { return shell(sha256All, p.tree) }},
		peer{"nix store verify --all", func(dir string) error { return nixAdd(dir, p.tree) },
			func(dir string) error {
				return command(nil, "nix", "--store", dir+"/nix", "store", "verify", "--all", "--no-trust")
			}},
		peer{"ostree fsck", func(dir string) error {
			if err := ostreeInit(dir); err != nil {
				return err
			}
			return ostreeCommit(dir, p.tree)
		}, func(dir string) error { return command(nil, "ostree", "--repo="+dir+"/repo", "fsck", "-q") }},
	)
}

// manyObjects is how many objects closure and gc work on.
const manyObjects = 10_000

// objects registers objects of one small file each, of which each refers to
// three before it, and returns the last.
func objects(b *testing.B, dir string) (last store.Path, err error) {
	ctx := b.Context()
	st, err := localstore.Open(ctx, dir+"/store", nil)
	if err != nil {
		return "", err
	}
	defer st.Close()
	var all []store.Object
	for i := range manyObjects {
		blob, size, err := st.AddBlob(ctx, strings.NewReader(fmt.Sprintf("object %d", i)))
		if err != nil {
			return "", err
		}
		entry := tree.Entry{Name: "file", Type: tree.File, Mode: tree.ModeFile, Digest: blob, Size: size}
		top, err := st.AddTree(ctx, &tree.Tree{Entries: []tree.Entry{entry}})
		if err != nil {
			return "", err
		}
		var refs []store.Path
		for _, back := range []int{1, 7, 100} {
			if i >= back {
				refs = append(refs, all[i-back].Path)
			}
		}
		o, err := st.MakeObject(ctx, fmt.Sprintf("o%d", i), store.KindTree, top, refs)
		if err != nil {
			return "", err
		}
		all = append(all, o)
	}
	return all[len(all)-1].Path, st.Register(ctx, all, nil)
}

// nixObjects makes the same for nix: directories, and their registration.
func nixObjects(dir string) error {
	if err := command(nil, "nix-store", "--store", dir+"/nix", "--init"); err != nil {
		return err
	}
	path := func(i int) string { return fmt.Sprintf("/nix/store/%032d-o%d", i, i) }
	var db bytes.Buffer
	for i := range manyObjects {
		real := dir + "/nix" + path(i)
		if err := os.MkdirAll(real, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(real+"/file", fmt.Appendf(nil, "object %d", i), 0o444); err != nil {
			return err
		}
		var refs []string
		for _, back := range []int{1, 7, 100} {
			if i >= back {
				refs = append(refs, path(i-back))
			}
		}
		fmt.Fprintf(&db, "%s\n%064d\n8\n\n%d\n", path(i), 0, len(refs))
		for _, r := range refs {
			fmt.Fprintln(&db, r)
		}
	}
	return command(&db, "nix-store", "--store", dir+"/nix", "--load-db")
}

func (p *peers) closure(b *testing.B) {
	var last store.Path
	p.compare(b,
		peer{"sysc", func(dir string) (err error) {
			last, err = objects(b, dir)
			return err
		}, func(dir string) error { return p.sysc(b, dir, "store", "closure", string(last)) }},
		peer{"nix-store -qR", nixObjects, func(dir string) error {
			return command(nil, "nix-store", "--store", dir+"/nix", "-qR", fmt.Sprintf("/nix/store/%032d-o%d", manyObjects-1, manyObjects-1))
		}},
	)
}

func (p *peers) gc(b *testing.B) {
	before := func(dir string) error {
		_, err := objects(b, dir)
		return err
	}
	p.compare(b,
		peer{"sysc", before, func(dir string) error { return p.sysc(b, dir, "gc") }},
		peer{"rm -rf", before, func(dir string) error {
			return shell(`chmod -R u+w "$1"/store/store && rm -rf "$1"/store/store "$1"/store/blobs "$1"/store/trees "$1"/store/records`, dir)
		}},
		peer{"nix-store --gc", nixObjects, func(dir string) error { return command(nil, "nix-store", "--store", dir+"/nix", "--gc") }},
	)
}
