package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/internal/download"
	"sysc/internal/gitfetch"
	"sysc/store"
)

const (
	// MaxBytes is the most that a repository or archive may have, packed.
	MaxBytes = 1 << 30
)

// A Pin is one state of a package: what a lock file has of it.
type Pin struct {
	// Version is that of the tag, "" when none was chosen.
	Version string
	// Ref is the tag, the branch or "HEAD" that led to the commit; "" for an archive
	// or where the commit itself was asked for.
	Ref string
	// Commit is the whole hash, "" for an archive.
	Commit string
	// Tree is the digest of the files, whatever git's version: a canonical tree.
	Tree store.Digest
}

// Path is where a store has a pinned package, if it has it. ok is false when there
// is no name for its files.
func Path(p Package, pin Pin) (at store.Path, ok bool) {
	const digits, most = 12, 60
	version := cmp.Or(pin.Version, pin.Commit[:min(len(pin.Commit), digits)], "archive")
	name := "module-" + cut(p.Name(), most) + "-" + cut(version, most)
	name = strings.Map(func(c rune) rune {
		if store.CheckName("x"+string(c)) != nil {
			return '-'
		}
		return c
	}, name)
	return derivations.FixedPath(&derivations.Derivation{
		Name: name, Fixed: &derivations.Fixed{Kind: store.KindTree, Digest: pin.Tree},
	})
}

func cut(text string, most int) string { return text[:min(len(text), most)] }

// A Store is what fetching needs of a store.
type Store interface {
	builtin.Store
	MakeObject(ctx context.Context, name string, kind store.Kind, root store.Digest, refs []store.Path) (store.Object, error)
	Register(ctx context.Context, objects []store.Object, realisations []store.Realisation) error
	TempDir(ctx context.Context, pattern string) (dir string, remove func() error, err error)
	// AddTreeDir keeps what is in a directory, which may be hostile, as a canonical
	// tree, and returns the object that it makes.
	AddTreeDir(ctx context.Context, dir, name string) (store.Object, error)
	// PhysicalPath is where an object's files are.
	PhysicalPath(p store.Path) string
}

// A Fetcher gets packages into a store. It is safe for concurrent use.
type Fetcher struct {
	// Store returns the store, which is asked for when something is to be taken from
	// it or put into it.
	Store func(context.Context) (Store, error)
	Git   gitfetch.Client
	// Download gets archives.
	Download *download.Client
	// Vendor is a directory with copies of packages ([VendorDir]), which are taken when
	// the store has none; "" for none.
	Vendor string
	// Progress, if not nil, is told how many bytes of a package have arrived.
	Progress func(p Package, done int64)
}

// A MovedError says that a tag leads to another commit than when it was locked.
type MovedError struct {
	Package     Package
	Ref         string
	Locked, Now string // Now is "" when the tag is gone
}

func (e *MovedError) Error() string {
	now := "leads to commit " + e.Now + " now"
	if e.Now == "" {
		now = "is gone"
	}
	return fmt.Sprintf("the tag %s of %s %s, and sysc.lock has commit %s. Versions are not to be changed, so somebody did what nobody expects: ask the author. "+
		"If what is there now is right, take the entry of %[2]s out of sysc.lock and run sysc lock", e.Ref, e.Package, now, e.Locked)
}

// A RewrittenError says that a locked commit is in its repository no longer.
type RewrittenError struct {
	Package     Package
	Ref, Commit string
}

func (e *RewrittenError) Error() string {
	from := ""
	if e.Ref != "" {
		from = fmt.Sprintf(", to which %s led when it was locked", e.Ref)
	}
	return fmt.Sprintf("commit %s of %s%s, is not there any more: the history was rewritten. Whoever has it in a store can hand it on (sysc store export); "+
		"otherwise look at what is there now, take the entry out of sysc.lock, and run sysc lock", e.Commit, e.Package, from)
}

// A TreeError says that what was fetched is not what was locked.
type TreeError struct {
	Package   Package
	Want, Got store.Digest
}

func (e *TreeError) Error() string {
	return fmt.Sprintf("the files of %s are %s, and sysc.lock has %s. If what is there now is right, take the entry out of sysc.lock and run sysc lock", e.Package, e.Got, e.Want)
}

// An AccessError is a server that lets nobody in without a password or key.
type AccessError struct {
	Package Package
	cause   error
}

func (e *AccessError) Error() string {
	way := "Use the ssh address (git@HOST:PATH) for it: over https, sysc's git has no passwords and asks for none. Or there is no such repository"
	if strings.HasPrefix(e.Package.Remote.String(), "ssh://") || !strings.Contains(e.Package.Remote.String(), "://") {
		way = "Check with ssh, as the same user, that the host is in known_hosts and accepts a key of ~/.ssh or the agent"
	}
	return fmt.Sprintf("%s is private, or not there: %v. %s", e.Package, e.cause, way)
}

func (e *AccessError) Unwrap() error { return e.cause }

// refusals are what git and ssh say when somebody may not come in.
var refusals = []string{
	"could not read Username", "could not read Password", "Authentication failed", "returned error: 401", "returned error: 403",
	"Permission denied", "Host key verification failed",
}

// explain makes the error of git one about a package.
func explain(p Package, err error) error {
	failed, ok := errors.AsType[*gitfetch.Error](err)
	if !ok {
		return err
	}
	for _, text := range refusals {
		if strings.Contains(failed.Output, text) {
			return &AccessError{Package: p, cause: err}
		}
	}
	return err
}

// Tags returns the tags that a repository has now.
func (f *Fetcher) Tags(ctx context.Context, p Package) ([]gitfetch.Tag, error) {
	tags, err := f.Git.Tags(ctx, p.Remote)
	return tags, explain(p, err)
}

// Resolve returns the commit that a ref leads to now.
func (f *Fetcher) Resolve(ctx context.Context, p Package, ref string) (commit string, err error) {
	commit, err = f.Git.Resolve(ctx, p.Remote, ref)
	return commit, explain(p, err)
}

// Open returns the directory of a pinned package when the store has it, or else a
// copy of it is in Vendor; without either ok is false. A copy that is not what was
// locked is a [*VendorError]. The directory stays until the store is closed.
func (f *Fetcher) Open(ctx context.Context, p Package, pin Pin) (dir string, ok bool, err error) {
	at, valid := Path(p, pin)
	if !valid {
		return "", false, fmt.Errorf("open %s: no name for its files", p)
	}
	st, err := f.Store(ctx)
	if err != nil {
		return "", false, err
	}
	_, err = st.Object(ctx, at)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return f.vendored(ctx, st, p, pin, at)
	case err != nil:
		return "", false, fmt.Errorf("open %s: %w", p, err)
	}
	return st.PhysicalPath(at), true, nil
}

// Get returns the directory of a pinned package, fetched when the store does not
// have it. It fails when the tag of the pin has moved ([*MovedError]), the commit
// is gone ([*RewrittenError]) or the files are others ([*TreeError]).
func (f *Fetcher) Get(ctx context.Context, p Package, pin Pin) (dir string, err error) {
	if dir, ok, err := f.Open(ctx, p, pin); ok || err != nil {
		return dir, err
	}
	if p.IsGit() && pin.Version != "" {
		now, err := f.Resolve(ctx, p, "refs/tags/"+pin.Ref)
		var gone *gitfetch.RefError
		if err != nil && !errors.As(err, &gone) {
			return "", err
		}
		if now != pin.Commit {
			return "", &MovedError{Package: p, Ref: pin.Ref, Locked: pin.Commit, Now: now}
		}
	}
	got, dir, err := f.Fetch(ctx, p, pin)
	var missing *gitfetch.MissingError
	if errors.As(err, &missing) {
		return "", &RewrittenError{Package: p, Ref: pin.Ref, Commit: pin.Commit}
	}
	if err == nil && got.Tree != pin.Tree {
		return "", &TreeError{Package: p, Want: pin.Tree, Got: got.Tree}
	}
	return dir, err
}

// Fetch gets a package, whatever the tree is, and returns the pin with the tree
// in it.
func (f *Fetcher) Fetch(ctx context.Context, p Package, pin Pin) (_ Pin, dir string, err error) {
	st, err := f.Store(ctx)
	if err != nil {
		return pin, "", err
	}
	temp, remove, err := st.TempDir(ctx, "module-")
	if err != nil {
		return pin, "", err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if p.IsGit() {
		pin.Tree, err = f.commit(ctx, st, p, pin, temp)
	} else {
		pin.Tree, err = f.archive(ctx, st, p, temp)
	}
	if err != nil {
		return pin, "", explain(p, err)
	}
	at, ok := Path(p, pin)
	if !ok {
		return pin, "", fmt.Errorf("fetch %s: no name for its files", p)
	}
	object, err := st.MakeObject(ctx, at.Name(), store.KindTree, pin.Tree, nil)
	if err != nil {
		return pin, "", err
	}
	if err := st.Register(ctx, []store.Object{object}, nil); err != nil {
		return pin, "", err
	}
	return pin, st.PhysicalPath(object.Path), nil
}

func (f *Fetcher) commit(ctx context.Context, st Store, p Package, pin Pin, temp string) (store.Digest, error) {
	client := f.Git
	client.MaxBytes = cmp.Or(client.MaxBytes, MaxBytes)
	r := gitfetch.Request{Remote: p.Remote, Commit: pin.Commit, Dir: temp, Progress: func(done int64) { f.progress(p, done) }}
	if pin.Ref != "HEAD" {
		r.Ref = pin.Ref
	}
	return builtin.CommitTree(ctx, st, client, r)
}

func (f *Fetcher) archive(ctx context.Context, st Store, p Package, temp string) (store.Digest, error) {
	file := filepath.Join(temp, "archive")
	err := f.Download.Fetch(ctx, download.Request{
		URLs: []string{p.Archive}, Dest: file, Size: -1, MaxSize: MaxBytes,
		Progress: func(done, _ int64) { f.progress(p, done) },
	})
	if err != nil {
		return store.Digest{}, err
	}
	archive, err := os.Open(file)
	if err != nil {
		return store.Digest{}, err
	}
	defer archive.Close()
	info, err := archive.Stat()
	if err != nil {
		return store.Digest{}, err
	}
	tree, err := builtin.ArchiveTree(ctx, st, archive, info.Size())
	if err != nil {
		return tree, fmt.Errorf("unpack %s: %w", p, err)
	}
	return tree, nil
}

func (f *Fetcher) progress(p Package, done int64) {
	if f.Progress != nil {
		f.Progress(p, done)
	}
}
