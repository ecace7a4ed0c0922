package localstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sysc/internal/par"
	"sysc/internal/procfd"
	"sysc/store"
	"sysc/store/tree"
)

// AddOptions says how [Store.AddDir] takes files in. Name is required.
type AddOptions struct {
	// Name is the object's name, see store.CheckName.
	Name string
	// Kind is what the object shall be. Zero means store.KindFile for a regular
	// file and store.KindTree for a directory.
	Kind store.Kind
	// Candidates are the objects that the contents may refer to. Their ids are
	// looked for in the bytes of files, targets of links, and names.
	Candidates []store.Path
	// SelfID is what the maker of the contents took for the object's own id, 32
	// characters of the id alphabet. Where files and targets have it, the
	// object gets its final id. A name that has it is refused. Empty means
	// that there is none.
	SelfID string
	// OutsideLinks allows files that have hard links outside the directory.
	// They are refused otherwise: a builder may have made them to get at
	// something else.
	OutsideLinks bool
	// Meta gives an entry its metadata, or leaves it out with everything below
	// it. path is relative and slash-separated, the metadata are those on disk,
	// extended attributes sorted. nil means canonical metadata for
	// store.KindTree and store.KindFile, and those on disk for store.KindRoot.
	// It is also asked about sockets, pipes and devices, which are refused when
	// it keeps them. It is called from several goroutines.
	Meta func(path string, st *unix.Stat_t, xattrs []tree.Xattr) (keep bool, mode, uid, gid uint32, x []tree.Xattr)
	// Known returns the entry of a regular file that is known to be unchanged;
	// it is not opened then. It is called from several goroutines. nil knows
	// none.
	Known func(path string, st *unix.Stat_t) (tree.Entry, bool)
	// Remember keeps what stat(2) says of the files, and does not read those again
	// next time that did not change since. It is for a directory that nobody
	// deceives the store with, and goes with canonical metadata, no candidates and
	// no own id only.
	Remember bool
}

// AddDir takes a directory, or a single file, into the store and returns the
// object that it makes. The object becomes valid with [Store.Register].
//
// What is in dir may be hostile, and may even be changed meanwhile: it is walked
// by descriptors, no symbolic link is followed below dir or in its place, files
// are hashed while they are copied, and anything but files, directories and
// links is refused by its path. The parent of dir is trusted. AddDir may change
// the mode of what its owner cannot read.
func (s *Store) AddDir(ctx context.Context, dir string, opts *AddOptions) (store.Object, error) {
	o, err := s.addDir(ctx, dir, opts)
	if err != nil {
		return store.Object{}, fmt.Errorf("add %s: %w", dir, err)
	}
	return o, nil
}

func (s *Store) addDir(ctx context.Context, dir string, opts *AddOptions) (store.Object, error) {
	if err := checkAdd(opts); err != nil {
		return store.Object{}, err
	}
	if err := s.markDirty(); err != nil {
		return store.Object{}, err
	}
	dir = filepath.Clean(dir)
	parent, err := unix.Open(filepath.Dir(dir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return store.Object{}, err
	}
	defer unix.Close(parent)
	h := &harvest{
		s: s, opts: *opts, scanner: newScanner(opts.Candidates, opts.SelfID),
		seen: map[int]bool{}, links: map[inode]*linkCount{},
	}
	defer h.open.closeAll()
	defer h.dropPrivate()
	if opts.Remember {
		if h.memory, err = s.recall(dir); err != nil {
			return store.Object{}, err
		}
	}

	base := filepath.Base(dir)
	var st unix.Stat_t
	if err := unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return store.Object{}, err
	}
	h.work = &work{name: "Adding files"}
	top := &inDir{fd: parent}
	top.left.Store(1)
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFREG && (opts.Kind == 0 || opts.Kind == store.KindFile):
		h.opts.Kind = store.KindFile
		h.work.size = st.Size
		top.slots = []slot{{disk: base, entry: tree.Entry{Name: store.FileEntry}}}
	case kind == unix.S_IFDIR && opts.Kind != store.KindFile:
		h.opts.Kind = max(opts.Kind, store.KindTree)
		fd, err := openReadable(parent, base, unix.O_DIRECTORY)
		if err != nil {
			return store.Object{}, err
		}
		h.open.add(fd)
		top.fd = fd
	default:
		return store.Object{}, fmt.Errorf("it is a %s, want a %s", fileType(st.Mode), wanted(opts.Kind))
	}
	s.opts.Progress.begin(h.work)
	err = par.Run(ctx, s.jobs, func(ctx context.Context, q *par.Queue) error {
		var err error
		if len(top.slots) == 1 {
			err = h.entries(ctx, q, top, top.slots)
		} else {
			err = h.list(ctx, q, top)
		}
		if err != nil {
			return err
		}
		return h.release(ctx, top)
	})
	if err != nil {
		return store.Object{}, err
	}
	if err := h.checkLinks(); err != nil {
		return store.Object{}, err
	}
	if h.memory != nil {
		if err := h.memory.keep(s); err != nil {
			return store.Object{}, err
		}
	}
	return h.object(ctx, top)
}

func checkAdd(opts *AddOptions) error {
	if opts == nil {
		return errors.New("no name")
	}
	if err := store.CheckName(opts.Name); err != nil {
		return err
	}
	if opts.SelfID != "" {
		if _, err := store.MakePath(opts.SelfID, opts.Name); err != nil {
			return fmt.Errorf("own id: %w", err)
		}
	}
	if opts.Remember && (opts.Meta != nil || opts.Known != nil || opts.Kind == store.KindRoot || opts.SelfID != "" || len(opts.Candidates) > 0) {
		return errors.New("remember: only with canonical metadata, no candidates and no own id")
	}
	switch opts.Kind {
	case 0, store.KindFile, store.KindTree, store.KindRoot:
		return nil
	}
	return fmt.Errorf("unknown kind %d", opts.Kind)
}

func wanted(k store.Kind) string {
	switch k {
	case 0:
		return "regular file or directory"
	case store.KindFile:
		return "regular file"
	}
	return "directory"
}

// A harvest is one AddDir.
type harvest struct {
	s       *Store
	opts    AddOptions
	scanner *scanner
	open    fdSet
	memory  *memory // or nil
	work    *work

	mu      sync.Mutex
	seen    map[int]bool // candidates that the contents refer to
	links   map[inode]*linkCount
	private []string // temporary files, see slot.private
}

type inode struct{ dev, ino uint64 }

// A linkCount tells whether all links of a file are inside.
type linkCount struct {
	path string
	want uint64
	seen uint64
}

// An inDir is a directory being read.
type inDir struct {
	parent *inDir
	slot   *slot // in the parent
	path   string
	fd     int
	depth  int
	slots  []slot
	left   atomic.Int64 // tasks that are not done yet

	blanked tree.Tree // the listing, own ids blanked
	tainted bool      // the own id is somewhere below
	skipped bool      // Meta does not want it
}

// A slot is one name of a directory.
type slot struct {
	disk  string // the name on disk
	entry tree.Entry
	keep  bool
	self  []int64 // where the own id stood
	// private is the temporary file with blanked contents of a file that has its
	// object's id in it.
	private string
	dir     *inDir // of a tainted directory
}

// list reads d's names and takes care of them in batches.
func (h *harvest) list(ctx context.Context, q *par.Queue, d *inDir) error {
	names, err := readNames(d.fd)
	if err != nil {
		return fmt.Errorf("%q: %w", d.path, err)
	}
	slices.Sort(names)
	d.slots = make([]slot, len(names))
	for i, name := range names {
		d.slots[i] = slot{disk: name, entry: tree.Entry{Name: name}}
	}
	slots := d.slots
	for len(slots) > batch {
		part := slots[:batch]
		slots = slots[batch:]
		d.left.Add(1)
		q.Add(func(ctx context.Context, q *par.Queue) error {
			if err := h.entries(ctx, q, d, part); err != nil {
				return err
			}
			return h.release(ctx, d)
		})
	}
	return h.entries(ctx, q, d, slots)
}

func (h *harvest) entries(ctx context.Context, q *par.Queue, d *inDir, slots []slot) error {
	stats := make([]unix.Stat_t, len(slots))
	for i := range slots {
		if err := h.stat(d, &slots[i], &stats[i]); err != nil {
			return fmt.Errorf("%q: %w", join(d.path, slots[i].entry.Name), err)
		}
	}
	if err := h.known(d, slots, stats); err != nil {
		return err
	}
	for i := range slots {
		if err := ctx.Err(); err != nil {
			return err
		}
		if slots[i].keep {
			continue // it is known
		}
		if err := h.entry(ctx, q, d, &slots[i], &stats[i]); err != nil {
			return fmt.Errorf("%q: %w", join(d.path, slots[i].entry.Name), err)
		}
	}
	return nil
}

// stat looks at a name, and in it for references.
func (h *harvest) stat(d *inDir, sl *slot, st *unix.Stat_t) error {
	if err := h.name(sl); err != nil {
		return err
	}
	return unix.Fstatat(d.fd, sl.disk, st, unix.AT_SYMLINK_NOFOLLOW)
}

func (h *harvest) entry(ctx context.Context, q *par.Queue, d *inDir, sl *slot, st *unix.Stat_t) error {
	path := join(d.path, sl.entry.Name)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		h.work.files.Add(1)
		return h.file(ctx, d, sl, path, st)
	case unix.S_IFLNK:
		return h.symlink(d, sl, path, st)
	case unix.S_IFDIR:
		d.left.Add(1)
		q.Add(h.dir(d, sl, path))
		return nil
	}
	if h.meta(sl, path, st, nil); sl.keep {
		return fmt.Errorf("it is a %s", fileType(st.Mode))
	}
	return nil
}

// name looks for references in a name.
func (h *harvest) name(sl *slot) error {
	if len(sl.disk) < store.IDLen || len(h.scanner.ids) == 0 {
		return nil
	}
	f := fileScan{scanner: h.scanner, refs: map[int]bool{}}
	f.text(sl.entry.Name)
	if len(f.self) > 0 {
		return errors.New("the object's own id in a name")
	}
	h.refer(f.refs)
	return nil
}

func (h *harvest) refer(refs map[int]bool) {
	if len(refs) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range refs {
		h.seen[i] = true
	}
}

// meta fills in sl's metadata and whether it is kept.
func (h *harvest) meta(sl *slot, path string, st *unix.Stat_t, xattrs []tree.Xattr) {
	e := &sl.entry
	sl.keep = true
	switch {
	case h.opts.Meta != nil:
		sl.keep, e.Mode, e.UID, e.GID, e.Xattrs = h.opts.Meta(path, st, xattrs)
	case h.opts.Kind == store.KindRoot:
		e.Mode, e.UID, e.GID, e.Xattrs = st.Mode&0o7777, st.Uid, st.Gid, xattrs
	default:
		e.Mode = tree.CanonicalMode(e.Type, st.Mode)
	}
	if e.Type == tree.Link {
		e.Mode = tree.ModeLink
	}
}

// wantXattrs reports whether anybody looks at extended attributes.
func (h *harvest) wantXattrs() bool {
	return h.opts.Meta != nil || h.opts.Kind == store.KindRoot
}

func (h *harvest) symlink(d *inDir, sl *slot, path string, st *unix.Stat_t) error {
	buf := make([]byte, tree.MaxTarget+1)
	n, err := unix.Readlinkat(d.fd, sl.disk, buf)
	if err != nil {
		return err
	}
	var xattrs []tree.Xattr
	if h.wantXattrs() {
		if xattrs, err = linkXattrs(d.fd, sl.disk); err != nil {
			return err
		}
	}
	sl.entry.Type = tree.Link
	if h.meta(sl, path, st, xattrs); !sl.keep {
		return nil
	}
	f := fileScan{scanner: h.scanner, refs: map[int]bool{}}
	sl.entry.Target = f.text(string(buf[:n]))
	sl.self = f.self
	h.refer(f.refs)
	return nil
}

// dir reads a directory in d.
func (h *harvest) dir(d *inDir, sl *slot, path string) par.Task {
	return func(ctx context.Context, q *par.Queue) error {
		fail := func(err error) error { return fmt.Errorf("%q: %w", path, err) }
		if d.depth+1 > tree.MaxDepth {
			return fail(fmt.Errorf("deeper than %d directories", tree.MaxDepth))
		}
		fd, err := openReadable(d.fd, sl.disk, unix.O_DIRECTORY)
		if err != nil {
			return fail(err)
		}
		h.open.add(fd)
		sub := &inDir{parent: d, slot: sl, path: path, fd: fd, depth: d.depth + 1}
		sub.left.Store(1)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return fail(err)
		}
		var xattrs []tree.Xattr
		if h.wantXattrs() {
			if xattrs, err = fileXattrs(fd); err != nil {
				return fail(err)
			}
		}
		sl.entry.Type = tree.Dir
		if h.meta(sl, path, &st, xattrs); !sl.keep {
			sub.skipped = true
			return h.release(ctx, sub)
		}
		if err := h.list(ctx, q, sub); err != nil {
			return err
		}
		return h.release(ctx, sub)
	}
}

// release counts one task for d as done. A directory that is complete becomes a
// tree and an entry of its parent.
func (h *harvest) release(ctx context.Context, d *inDir) error {
	for d.left.Add(-1) == 0 {
		if d.parent == nil {
			return h.finish(ctx, d)
		}
		h.open.close(d.fd)
		if !d.skipped {
			if err := h.finish(ctx, d); err != nil {
				return fmt.Errorf("%q: %w", d.path, err)
			}
		}
		d = d.parent
	}
	return nil
}

// finish makes the listing of d. It is stored right away unless the object's id
// is missing in it.
func (h *harvest) finish(ctx context.Context, d *inDir) error {
	d.blanked.Entries = make([]tree.Entry, 0, len(d.slots))
	for i := range d.slots {
		sl := &d.slots[i]
		if !sl.keep {
			continue
		}
		d.blanked.Entries = append(d.blanked.Entries, sl.entry)
		d.tainted = d.tainted || len(sl.self) > 0 || sl.dir != nil
	}
	var digest store.Digest
	var err error
	if d.tainted {
		digest, err = d.blanked.BlankedDigest()
	} else {
		digest, err = h.s.AddTree(ctx, &tree.Tree{Entries: d.blanked.Entries})
	}
	if err != nil {
		return err
	}
	size := d.blanked.Size()
	if d.slot == nil {
		d.slot = &slot{}
	}
	d.slot.entry.Digest, d.slot.entry.Size = digest, size
	if d.tainted {
		d.slot.dir = d
	} else {
		d.slots, d.blanked.Entries = nil, nil
	}
	return nil
}

// checkLinks refuses files that have a name outside.
func (h *harvest) checkLinks() error {
	if h.opts.OutsideLinks {
		return nil
	}
	var outside []string
	for _, l := range h.links {
		if l.seen < l.want {
			outside = append(outside, l.path)
		}
	}
	if len(outside) == 0 {
		return nil
	}
	return fmt.Errorf("%q: it has a hard link outside the directory", slices.Min(outside))
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// fileType names what a mode says.
func fileType(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "regular file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symbolic link"
	case unix.S_IFIFO:
		return "named pipe"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFBLK:
		return "block device"
	case unix.S_IFCHR:
		return "character device"
	}
	return "file of an unknown type"
}

// linkXattrs reads the extended attributes of a symbolic link.
func linkXattrs(dir int, name string) ([]tree.Xattr, error) {
	path := procfd.Path(dir) + "/" + name
	list := func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) }
	get := func(name string, buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) }
	return readXattrs(list, get)
}

// fileXattrs reads the extended attributes of an open file.
func fileXattrs(fd int) ([]tree.Xattr, error) {
	list := func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) }
	get := func(name string, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) }
	return readXattrs(list, get)
}

func readXattrs(list func([]byte) (int, error), get func(string, []byte) (int, error)) ([]tree.Xattr, error) {
	n, err := list(nil)
	if errors.Is(err, unix.EOPNOTSUPP) || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	buf := make([]byte, n)
	if n, err = list(buf); err != nil {
		return nil, err
	}
	var xattrs []tree.Xattr
	value := make([]byte, tree.MaxXattrValue)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		n, err := get(name, value)
		if errors.Is(err, unix.ENODATA) {
			continue // it went away meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("extended attribute %q: %w", name, err)
		}
		xattrs = append(xattrs, tree.Xattr{Name: name, Value: string(value[:n])})
	}
	slices.SortFunc(xattrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return xattrs, nil
}
