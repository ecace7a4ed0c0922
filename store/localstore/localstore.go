// Package localstore keeps a store in one directory of this machine.
//
//	DIR/store/      objects of kinds file and tree, as files and directories
//	DIR/blobs/ab/   contents of files, 0444, named by the rest of their digest, or
//	                as executable files, 0555, "<name>.x"; see form.go
//	DIR/trees/ab/   encodings of trees, named likewise
//	DIR/checkouts/  root trees as read-only directories, named by their digest
//	DIR/records/    what the database knows of objects, DIR/realisations/ and
//	                DIR/signatures/ the same of those: to make it again from
//	DIR/db.sqlite   which objects are valid, what they refer to, realisations
//	DIR/roots/      what garbage collection keeps
//	DIR/log/        logs of builds, see gclog.go for how long, and notes of them
//	DIR/locks/      lock files
//	DIR/sessions/   what the processes that have the store open rely on
//	DIR/reserve     room for the database on a full disk
//	DIR/dirty/      which boots of the machine may have left unsynced content
//	DIR/cache/      what files that were added looked like, see remember.go
//	DIR/downloads/  0700: files that arrive, see gcdownloads.go
//	DIR/failed/     0700: what failed builds left, see failed.go
//	DIR/tmp/        0700: whatever is being made
//
// What is on disk becomes an object in three steps: contents and listings are
// added ([Store.AddBlob], [Store.AddTree], [Store.AddDir]), then
// [Store.Register] materialises, syncs, and commits one transaction. An object
// is valid when the database says so; everything else is left over and removed
// by [Store.GC].
//
// Any number of processes may use one store at once, garbage collection among
// them; there is no daemon. What a process has added or looked up stays until it
// closes the store (see session.go). Locks are taken in this order: the
// collectors' one, those of [Store.Lock] in the sorted order of their keys, gates.
package localstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sysc/internal/filelock"
	"sysc/store"
)

// Options for [Open]. nil means the zero value.
type Options struct {
	// Wait is told, once per lock, what is being waited for and who holds it, as
	// "pid 4711 (sysc)". nil means waiting in silence.
	Wait func(what, holder string)
	// Progress, if not nil, is kept up to date on what takes long.
	Progress *Progress
	// Jobs is how many files are worked on at once. 0 means as many as there
	// are cores.
	Jobs int
	// Existing makes it an error when there is no store, [ErrNone], in place of
	// making one.
	Existing bool
	// UseReserve gives up the room that is kept for collecting garbage, when the
	// disk is so full that the store could not be opened otherwise.
	UseReserve bool
}

// A Store is an open store. It is safe for concurrent use.
type Store struct {
	dir  string
	opts Options
	jobs int

	unlock  func() error // of the shared lock on the whole store
	keys    keyLocks
	session *session
	db      *database
	trees   *treeCache
	sync    *syncer

	blobDirs, treeDirs     *shards
	objectDir, checkoutDir *gatedDir

	sequence  atomic.Uint64 // part of temporary names
	umask     uint32
	noReflink atomic.Bool // the file system cannot share extents
	dirty     dirtyMark
}

// Names in locks/ beside those of [Store.Lock].
const (
	storeLock   = "store" // shared by everybody who has the store open
	collectLock = "gc"    // of the one who collects garbage
)

// databaseName is the name of the database in the store's directory.
const databaseName = "db.sqlite"

// ErrNone says that there is no store where one was expected.
var ErrNone = errors.New("there is no store")

// Open opens the store in dir, which is made, with what belongs into it, when
// it is missing, unless opts says otherwise. Neither dir nor one of its own directories nor the database may be
// a symbolic link. A link further up does no harm, for nothing in a store has the
// path that dir is reached by: objects know each other by their logical paths. Nor
// may the store have been written by a newer version of sysc ([VersionError]). A
// damaged database is an error that wraps [ErrDamaged].
func Open(ctx context.Context, dir string, opts *Options) (*Store, error) {
	s, err := prepare(dir, opts)
	if err == nil {
		err = s.open(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return s, nil
}

func prepare(dir string, opts *Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir}
	if opts != nil {
		s.opts = *opts
	}
	if s.jobs = s.opts.Jobs; s.jobs <= 0 {
		s.jobs = runtime.GOMAXPROCS(0)
	}
	s.umask = processUmask()
	return s, s.makeDirs()
}

func (s *Store) open(ctx context.Context) error {
	err := s.openShared(ctx)
	if isFull(err) && s.opts.UseReserve {
		if err := s.dropReserve(); err != nil {
			return err
		}
		return s.openShared(ctx)
	}
	if err != nil {
		return err
	}
	return s.makeReserve()
}

func (s *Store) openShared(ctx context.Context) (err error) {
	if s.unlock, err = filelock.RLock(ctx, s.path("locks/"+storeLock), s.waiter("the store "+s.dir)); err != nil {
		return err
	}
	return s.openLocked(ctx, databaseName)
}

// openLocked opens everything, with a database of that name.
func (s *Store) openLocked(ctx context.Context, database string) (err error) {
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.session, err = openSession(s.path("sessions")); err != nil {
		return err
	}
	turnstile := s.path("sessions")
	if s.objectDir, err = openGatedDir(s.path("store"), turnstile); err != nil {
		return err
	}
	if s.checkoutDir, err = openGatedDir(s.path("checkouts"), turnstile); err != nil {
		return err
	}
	if s.blobDirs, err = openShards(s.path("blobs"), turnstile); err != nil {
		return err
	}
	if s.treeDirs, err = openShards(s.path("trees"), turnstile); err != nil {
		return err
	}
	s.trees = newTreeCache(treeCacheSize)
	s.sync = newSyncer(s)
	if s.db, err = openDatabase(ctx, s.path(database), s.migrate); err != nil {
		return err
	}
	return s.recover(ctx)
}

// Close gives everything up that the store holds. Nothing may be under way.
func (s *Store) Close() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.close())
	}
	for _, d := range []*shards{s.blobDirs, s.treeDirs} {
		if d != nil {
			errs = append(errs, d.close())
		}
	}
	for _, d := range []*gatedDir{s.objectDir, s.checkoutDir} {
		if d != nil {
			errs = append(errs, d.close())
		}
	}
	if s.session != nil {
		errs = append(errs, s.session.close(s.path("locks/"+collectLock)))
	}
	if s.unlock != nil {
		errs = append(errs, s.unlock())
	}
	s.db, s.blobDirs, s.treeDirs, s.objectDir, s.checkoutDir, s.session, s.unlock = nil, nil, nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// Dir returns the directory that the store is in.
func (s *Store) Dir() string { return s.dir }

// PhysicalPath returns where an object of kind file or tree stands on this
// machine. It does not look whether it is there.
func (s *Store) PhysicalPath(p store.Path) string { return s.path("store/" + string(p)) }

// LogDir returns the directory for logs of builds. Garbage is collected in the
// directories that are in it, by the rules of gclog.go; files directly in it stay.
func (s *Store) LogDir() string { return s.path("log") }

// DownloadDir returns the directory where downloads stay that broke off, for the next
// run, by the rules of gcdownloads.go.
func (s *Store) DownloadDir() string { return s.path(downloadsDir) }

// Lock takes the lock that every process using the store knows by key, such as
// a derivation's hash. wait, which may be nil, is told who holds it when another
// process does. Take several in the sorted order of their keys.
func (s *Store) Lock(ctx context.Context, key string, wait func(holder string)) (unlock func() error, err error) {
	unlockKey, err := s.keys.lock(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", key, err)
	}
	digest := store.DigestOf([]byte(key))
	file := s.path("locks/" + digest.Hex())
	release, err := filelock.Lock(ctx, file, wait)
	if err != nil {
		unlockKey()
		return nil, err
	}
	return func() error {
		defer unlockKey()
		// Without this the directory would grow for ever.
		return errors.Join(filelock.Remove(file), release())
	}, nil
}

func (s *Store) path(below string) string { return filepath.Join(s.dir, below) }

func (s *Store) waiter(what string) func(string) {
	if s.opts.Wait == nil {
		return nil
	}
	return func(holder string) { s.opts.Wait(what, holder) }
}

// tempName returns a name that nothing else has.
func (s *Store) tempName() string {
	return s.session.tempName(tempPrefix, s.sequence.Add(1))
}

// tempPrefix begins the names of what is being made; no blob, tree or object
// has such a name.
const tempPrefix = ".t"

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// makeDirs makes the directories of a store, and looks whether this one can be
// used at all.
func (s *Store) makeDirs() error {
	switch info, err := os.Lstat(s.dir); {
	case errors.Is(err, fs.ErrNotExist) && s.opts.Existing:
		return ErrNone
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(s.dir, 0o755); err != nil {
			return fmt.Errorf("%w; choose another one with --store", err)
		}
	case err != nil:
		return err
	case isLink(info):
		target, _ := filepath.EvalSymlinks(s.dir)
		return fmt.Errorf("it is a symbolic link; name the directory itself, %s", target)
	case !info.IsDir():
		return fmt.Errorf("it is not a directory")
	}
	if s.opts.Existing && !s.hasSomething() {
		return ErrNone
	}
	if err := unix.Access(s.dir, unix.W_OK|unix.X_OK); err != nil {
		if errors.Is(err, unix.EROFS) {
			return fmt.Errorf("it is on a read-only file system; choose another one with --store")
		}
		return fmt.Errorf("user %d cannot write to it (%w); choose another one with --store", os.Geteuid(), err)
	}
	if err := checkOwner(s.dir); err != nil {
		return err
	}
	for _, d := range []struct {
		name string
		mode fs.FileMode
	}{
		{"store", 0o755}, {"blobs", 0o755}, {"trees", 0o755}, {"log", 0o755}, {"roots", 0o755},
		{"locks", 0o755}, {"checkouts", 0o755}, {"sessions", 0o755},
		{"records", 0o755}, {"realisations", 0o755}, {"cache", 0o755}, {"dirty", 0o755},
		// What builders write must be out of everybody else's reach, set-id
		// bits and all (CVE-2024-52867, CVE-2024-38531).
		{"tmp", 0o700}, {"failed", 0o700}, {downloadsDir, 0o700},
	} {
		if err := makeDir(s.path(d.name), d.mode); err != nil {
			return err
		}
	}
	// Made when they are needed.
	for _, name := range []string{
		"signatures", objectSignatures, realisationSignatures, "roots/" + indirectRoots,
		databaseName, databaseName + "-wal", databaseName + "-shm",
	} {
		if info, err := os.Lstat(s.path(name)); err == nil && isLink(info) {
			return linkError(s.path(name))
		}
	}
	return nil
}

// checkOwner refuses a directory in which somebody else could exchange what is there:
// root would follow them (CVE-2019-18192, CVE-2022-24765), and leave files in a
// user's store that the user cannot open.
func checkOwner(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	if euid := os.Geteuid(); int(st.Uid) != euid {
		return fmt.Errorf("it belongs to user %d, and this is user %d; choose another one with --store", st.Uid, euid)
	}
	const othersWrite = 0o002
	if st.Mode&othersWrite != 0 {
		return fmt.Errorf("anybody can write to it; chmod o-w %s, or choose another one with --store", dir)
	}
	return nil
}

// hasSomething reports whether there is anything of a store, which there is not where
// a disk is not mounted. It may be damaged.
func (s *Store) hasSomething() bool {
	return slices.ContainsFunc([]string{databaseName, "store", "blobs", "trees"}, func(name string) bool {
		_, err := os.Lstat(s.path(name))
		return err == nil
	})
}

func isLink(info fs.FileInfo) bool { return info.Mode()&fs.ModeSymlink != 0 }

// linkError refuses a link in a store: what it leads to may be on a file system that
// is not synced, and where nothing can be renamed or linked to.
func linkError(path string) error {
	return fmt.Errorf("%s is a symbolic link; nothing of a store may be elsewhere", path)
}

// makeDir makes one directory with exactly that mode, and insists on one.
func makeDir(path string, mode fs.FileMode) error {
	info, err := os.Lstat(path)
	if err == nil {
		if isLink(info) {
			return linkError(path)
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is not a directory", path)
		}
		if info.Mode().Perm() == mode {
			return nil
		}
		return os.Chmod(path, mode)
	}
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(path, mode)
}
