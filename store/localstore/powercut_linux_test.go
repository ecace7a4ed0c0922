package localstore

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"sysc/internal/atomicfile"
	"sysc/internal/crashtest"
	"sysc/store"
)

// A power cut is made with an ioctl that file systems have for their own tests:
// from then on nothing reaches the disk any more, whatever still lies in the
// page cache is lost at the unmount, and the next mount recovers the journal.

// ext4Shutdown is EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32), in all architectures
// that Go knows except for those with another layout of ioctl numbers (mips,
// ppc, sparc).
const ext4Shutdown = 0x8004587d

// Flags of ext4Shutdown.
const (
	cutNow    uint32 = 2 // EXT4_GOING_FLAGS_NOLOGFLUSH
	cutLogged uint32 = 1 // EXT4_GOING_FLAGS_LOGFLUSH: names are on the disk, most contents are not
)

// A powercut is a way to lose what was not synced.
type powercut struct {
	name    string
	options string // of the mount
	flag    uint32
	images  string // directory for images of disks
}

var powercuts = []powercut{
	// Everything since the last sync is gone.
	{name: "nothing", options: "data=ordered", flag: cutNow},
	// Names are there, of files that are empty.
	{name: "names", options: "data=ordered", flag: cutLogged},
	// Files have their size, and no content.
	{name: "sizes", options: "data=writeback,nodelalloc", flag: cutLogged},
}

// powercutSteps is how many steps lie between two power cuts of one kind. Each
// kind begins at another one, so that together they have them all.
const powercutSteps = 3

// After a power cut at any step, whatever was registered is valid and whole, and
// what is left of the rest does no harm. The steps are those of internal/crashtest.
func TestPowerCut(t *testing.T) {
	for i, cut := range powercuts {
		t.Run(cut.name, func(t *testing.T) {
			t.Parallel()
			if hasMountNamespace(t) {
				cut.images = mountMemory(t)
				loseUnsynced(t, cut)
				cutEverywhere(t, cut, 1+i)
			}
		})
	}
}

// cutEverywhere cuts the power before step first, and every few steps after it.
func cutEverywhere(t *testing.T, cut powercut, first int) {
	in := powercutInput(t)
	var want bytes.Buffer
	must(t, powercutWork(t.Context(), newStore(t), in, &want))
	p := &powercutTest{t: t, cut: cut, in: in, want: want.String()}
	some := crashtest.Some{First: first, Every: powercutSteps, Stopped: p.stopped}
	steps := crashtest.RunSome(t, some, p.start, p.check)
	t.Logf("%d steps, %d files damaged, %d registrations lost", steps, p.damaged, p.lost)
	if cut.flag == cutLogged && p.damaged == 0 {
		t.Error("no cut left a damaged file: recovery had nothing to do")
	}
	if p.lost == 0 {
		t.Error("nothing was ever lost")
	}
}

// TestPowerCutProcess is the process whose power is cut. By itself it has nothing
// to do.
func TestPowerCutProcess(t *testing.T) {
	dir, in, ok := strings.Cut(os.Getenv("SYSC_POWERCUT"), ":")
	if !ok {
		return
	}
	s, err := Open(t.Context(), dir, &Options{Jobs: 1})
	must(t, err)
	must(t, powercutWork(t.Context(), s, in, os.Stdout))
	must(t, s.Close())
}

// hasMountNamespace reports whether this process has a mount namespace of its
// own. If not, it runs the test in another process that has, and that does nothing
// else: a file system cannot be unmounted while a process that is about to be
// another program has this one's files open.
func hasMountNamespace(t *testing.T) bool {
	const env = "SYSC_MOUNT_NAMESPACE=1"
	if slices.Contains(os.Environ(), env) {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(os.Environ(), env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skip("only root with CAP_SYS_ADMIN can mount a file system")
	}
	if err != nil || testing.Verbose() {
		t.Logf("%s", out)
	}
	must(t, err)
	return false
}

// mountMemory mounts a file system in memory, so that the disk of the machine does
// not set the pace.
func mountMemory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// powercutInput makes what is going to be added.
func powercutInput(t *testing.T) string {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	large := func(n int) string {
		data := make([]byte, n/2)
		random.Read(data)
		return hex.EncodeToString(data)
	}
	return write(t,
		"lib/lib.so="+large(3*smallBlob), "lib/self=/sysc/store/"+fakeID('z')+"-lib", "lib/empty=", "lib/d/",
		"root/bin/sh*=shell", "root/bin/big*="+large(2*smallBlob), "root/etc/conf=conf", "root/sbin->bin", "root/etc/same=shell",
		"tool*=#!/bin/sh", "fetched="+large(2*smallBlob+1))
}

// powercutWork adds all kinds of things and tells about each when it is durable.
func powercutWork(ctx context.Context, s *Store, in string, out io.Writer) error {
	w := powercutWorker{ctx: ctx, s: s, out: out}
	lib := w.add(in+"/lib", &AddOptions{Name: "lib", SelfID: fakeID('z')})
	w.register(lib, 1)
	app := w.app(lib)
	w.register(app, 2)
	w.root("app", app)
	w.link("app-link", app)
	root := w.add(in+"/root", &AddOptions{Name: "root", Kind: store.KindRoot})
	w.register(root, 3)
	w.root("system/root", root)
	if w.err == nil {
		_, w.err = s.CheckoutDir(ctx, root.Tree)
	}
	tool := w.add(in+"/tool", &AddOptions{Name: "tool"})
	w.register(tool, 4)
	fetched := w.fetch(in + "/fetched")
	w.register(fetched, 5)
	// Objects that are there already, for another derivation.
	w.register(lib, 6)
	return w.err
}

// A powercutWorker does one thing after the other until one fails.
type powercutWorker struct {
	ctx context.Context
	s   *Store
	out io.Writer
	err error
}

func (w *powercutWorker) add(path string, opts *AddOptions) (o store.Object) {
	if w.err == nil {
		o, w.err = w.s.AddDir(w.ctx, path, opts)
	}
	return o
}

func (w *powercutWorker) register(o store.Object, derivation byte) {
	if w.err != nil {
		return
	}
	r := store.Realisation{Derivation: store.DerivationHash{derivation}, Output: "out", Path: o.Path}
	if w.err = w.s.Register(w.ctx, []store.Object{o}, []store.Realisation{r}); w.err == nil {
		fmt.Fprintln(w.out, "realisation", derivation, o.Path)
	}
}

func (w *powercutWorker) root(name string, o store.Object) {
	if w.err != nil {
		return
	}
	if w.err = w.s.AddRoot(w.ctx, name, o.Path); w.err == nil {
		fmt.Fprintln(w.out, "root", name, o.Path)
	}
}

// link makes an indirect root, of a link beside the store.
func (w *powercutWorker) link(name string, o store.Object) {
	if w.err != nil {
		return
	}
	link := filepath.Join(filepath.Dir(w.s.Dir()), name)
	if w.err = atomicfile.Symlink(w.s.PhysicalPath(o.Path), link); w.err != nil {
		return
	}
	if w.err = w.s.AddIndirectRoots(w.ctx, link); w.err == nil {
		fmt.Fprintln(w.out, "link", name, o.Path)
	}
}

// app builds something in the store, as builders do, that refers to lib.
func (w *powercutWorker) app(lib store.Object) (o store.Object) {
	w.temp(func(dir string) error {
		if err := os.Mkdir(dir+"/out", 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(dir+"/out/run", []byte("exec "+lib.Path.Logical()), 0o755); err != nil {
			return err
		}
		o = w.add(dir+"/out", &AddOptions{Name: "app", Candidates: []store.Path{lib.Path}})
		return w.err
	})
	return o
}

// fetch moves a file into the store, as downloads do.
func (w *powercutWorker) fetch(path string) (o store.Object) {
	w.temp(func(dir string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(dir+"/f", data, 0o600); err != nil {
			return err
		}
		if _, _, err := w.s.AddBlobFile(w.ctx, dir+"/f"); err != nil {
			return err
		}
		o, err = w.s.AddDir(w.ctx, path, &AddOptions{Name: "fetched"})
		return err
	})
	return o
}

func (w *powercutWorker) temp(use func(dir string) error) {
	if w.err != nil {
		return
	}
	dir, remove, err := w.s.TempDir(w.ctx, "work")
	if err == nil {
		err = use(dir)
	}
	if err == nil {
		err = remove()
	}
	w.err = errors.Join(w.err, err)
}

// A powercutTest is the test with one kind of cut. Each run of the program has a
// new disk.
type powercutTest struct {
	t    *testing.T
	cut  powercut
	in   string
	want string // what the program says when it comes to its end

	disk      *powercutDisk
	said      *os.File
	isStopped bool

	damaged int // files that a cut left with wrong contents
	lost    int // things that were added, but not said to be registered, and gone
}

func (p *powercutTest) start() *exec.Cmd {
	p.disk = newPowercutDisk(p.t, p.cut)
	p.isStopped = false
	said, err := os.Create(filepath.Join(p.t.TempDir(), "said"))
	must(p.t, err)
	p.said = said
	cmd := exec.Command(os.Args[0], "-test.run=^TestPowerCutProcess$")
	cmd.Env = append(os.Environ(), "SYSC_POWERCUT="+p.disk.store()+":"+p.in)
	cmd.Stdout = said
	return cmd
}

func (p *powercutTest) stopped() {
	p.isStopped = true
	if err := p.disk.shutdown(); err != nil {
		p.t.Error(err)
	}
}

func (p *powercutTest) check(n int) {
	t := p.t
	defer func() {
		if t.Failed() {
			t.Logf("cut before step %d", n)
		}
	}()
	if !p.isStopped {
		must(t, p.disk.shutdown()) // the program has ended
	}
	must(t, p.said.Close())
	said, err := os.ReadFile(p.said.Name())
	must(t, err)
	p.disk.powerUp()
	p.damaged += len(damagedShards(t, p.disk.store()))
	s := p.disk.open()
	defer p.disk.end()
	p.recovered(s)
	p.holds(s, string(said))
	verify(t, s)
	if n%2 == 0 {
		// The copies of what the database knows are as durable.
		must(t, s.Close())
		_, err := Rebuild(t.Context(), s.Dir(), nil)
		must(t, err)
		s = open(t, s.Dir())
		p.holds(s, string(said))
		verify(t, s)
	}

	// The same again, with all that is left over.
	var again bytes.Buffer
	must(t, powercutWork(t.Context(), s, p.in, &again))
	if again.String() != p.want {
		t.Errorf("added again:\n%swant:\n%s", &again, p.want)
	}
	p.holds(s, p.want)
	verify(t, s)
	s = reopen(t, s)
	gc(t, s, GCOptions{})
	verify(t, s)
	if left, err := os.ReadDir(s.path("tmp")); err != nil || len(left) > 0 {
		t.Errorf("left in tmp: %v, %v", left, err)
	}
	must(t, s.Close())
}

// recovered looks whether recovery removed what is of no use.
func (p *powercutTest) recovered(s *Store) {
	for _, dir := range []string{"blobs/??", "trees/??", "records", "realisations/??"} {
		left, err := filepath.Glob(s.path(dir + "/" + tempPrefix + "*"))
		if err != nil || len(left) > 0 {
			p.t.Errorf("left over: %v, %v", left, err)
		}
	}
	records, err := os.ReadDir(s.path("records"))
	must(p.t, err)
	for _, r := range records {
		if _, err := s.readRecord(store.Path(r.Name())); err != nil {
			p.t.Errorf("left over: %s: %v", r.Name(), err)
		}
	}
}

// holds looks whether everything that was said to be there is.
func (p *powercutTest) holds(s *Store, said string) {
	ctx := p.t.Context()
	for line := range strings.Lines(p.want) {
		fields := strings.Fields(line)
		what, name, path := fields[0], fields[1], store.Path(fields[2])
		there := false
		switch what {
		case "root":
			roots, err := s.Roots(ctx)
			must(p.t, err)
			there = slices.ContainsFunc(roots, func(r Root) bool { return r.Name == name && r.Path == path })
		case "link":
			roots, err := s.Roots(ctx)
			must(p.t, err)
			there = slices.ContainsFunc(roots, func(r Root) bool { return filepath.Base(r.Link) == name && r.Path == path })
		case "realisation":
			got, err := s.Realisation(ctx, store.DerivationHash{name[0] - '0'}, "out")
			there = err == nil && got == path
			if there {
				if _, err := s.Object(ctx, path); err != nil {
					p.t.Errorf("%s: %v", strings.TrimSpace(line), err)
				}
			}
		}
		switch {
		case strings.Contains(said, line) && !there:
			p.t.Errorf("lost: %s", line)
		case !there:
			p.lost++
		}
	}
}

// damagedShards lists the blobs and trees whose contents are not what their names
// say, without opening the store.
func damagedShards(t *testing.T, dir string) (damaged []string) {
	t.Helper()
	files, err := filepath.Glob(dir + "/[bt]*s/??/*")
	must(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		must(t, err)
		name, _ := cutForm(filepath.Base(file))
		if want, ok := parseSharded(filepath.Base(filepath.Dir(file)), name); !ok || store.DigestOf(data) != want {
			damaged = append(damaged, file)
		}
	}
	return damaged
}

// loseUnsynced shows that a cut loses what was not synced, and nothing else.
func loseUnsynced(t *testing.T, cut powercut) {
	ctx := t.Context()
	disk := newPowercutDisk(t, cut)
	s := open(t, disk.store())
	kept := add(t, s, AddOptions{}, "f=kept", "large="+strings.Repeat("kept", smallBlob))
	register(t, s, kept)
	contents := map[bool][]string{
		true:  {"kept", strings.Repeat("kept", smallBlob)},
		false: {"lost", strings.Repeat("lost", smallBlob)},
	}
	for _, text := range contents[false] {
		_, _, err := s.AddBlob(ctx, strings.NewReader(text))
		must(t, err)
	}
	must(t, disk.shutdown())
	s.Close() // says that the disk is gone
	disk.powerUp()
	defer disk.end()
	for want, texts := range contents {
		for _, text := range texts {
			d := store.DigestOf([]byte(text))
			data, err := os.ReadFile(disk.store() + "/blobs/" + shardName(d[0]) + "/" + shardedName(d))
			if got := err == nil && string(data) == text; got != want {
				t.Errorf("%d times %s: there %v, want %v (%v)", len(text)/4, text[:4], got, want, err)
			}
			if cut.flag == cutLogged && err != nil {
				t.Errorf("its name should be on the disk: %v", err)
			}
		}
	}
	if got, want := len(damagedShards(t, disk.store())) > 0, cut.flag == cutLogged; got != want {
		t.Errorf("damaged files %v, want %v", got, want)
	}
}

// A powercutDisk is a new ext4 file system in a file, mounted.
type powercutDisk struct {
	t     *testing.T
	cut   powercut
	image string
	top   string // where it is mounted
}

func newPowercutDisk(t *testing.T, cut powercut) *powercutDisk {
	t.Helper()
	image, err := os.CreateTemp(cut.images, "image")
	must(t, err)
	d := &powercutDisk{t: t, cut: cut, image: image.Name(), top: t.TempDir()}
	t.Cleanup(d.end)
	const size = 128 << 20
	must(t, errors.Join(image.Truncate(size), image.Close()))
	d.run("mkfs.ext4", "-q", d.image)
	d.mount()
	return d
}

func (d *powercutDisk) store() string { return d.top + "/store" }

func (d *powercutDisk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (d *powercutDisk) mount() {
	d.t.Helper()
	d.run("mount", "-t", "ext4", "-o", "loop,"+d.cut.options, d.image, d.top)
}

// shutdown cuts the power.
func (d *powercutDisk) shutdown() error {
	f, err := os.Open(d.top)
	if err != nil {
		return err
	}
	defer f.Close()
	flag := d.cut.flag
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&flag)))
	if errno != 0 {
		return fmt.Errorf("shut down the file system: %w", errno)
	}
	return nil
}

// powerUp mounts again what is on the disk.
func (d *powercutDisk) powerUp() {
	d.t.Helper()
	d.run("umount", d.top)
	d.mount()
}

// end throws the disk away.
func (d *powercutDisk) end() {
	if d.image == "" {
		return
	}
	image := d.image
	d.image = ""
	must(d.t, unix.Unmount(d.top, unix.MNT_DETACH))
	must(d.t, os.Remove(image))
}

// open opens the store as in another boot of the machine.
func (d *powercutDisk) open() *Store {
	d.t.Helper()
	marks, _ := filepath.Glob(d.store() + "/dirty/*")
	for _, mark := range marks {
		must(d.t, os.Rename(mark, filepath.Dir(mark)+"/earlier-boot"))
	}
	return open(d.t, d.store())
}
