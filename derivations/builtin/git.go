package builtin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"sysc/internal/download"
	"sysc/internal/gitfetch"
	"sysc/store"
	"sysc/store/tree"
)

const (
	// maxSubmodules bounds the submodules of one commit, those in submodules too.
	maxSubmodules = 1000
	// maxNesting bounds how deep submodules are in one another.
	maxNesting = 16
)

type gitAttrs struct {
	URL    string `json:"url"`
	Commit string `json:"commit"`
	// Ref leads to the commit, for servers that do not give commits by name; or "".
	Ref string `json:"ref"`
	// Submodules fetches these too; without it they are empty directories.
	Submodules bool `json:"submodules"`
	// Unknown means that nobody knows the digest yet: the step fails and tells it.
	Unknown bool `json:"unknown"`
}

// An UnknownHashError says what the digest of something is that was fetched
// without one. It is nothing that trying again would help.
type UnknownHashError struct {
	URL string
	Got store.Digest
}

func (e *UnknownHashError) Error() string {
	return fmt.Sprintf("fetch %s: the definition does not give its hash. If this is what you want, write\n  hash = %q", e.URL, e.Got)
}

// git fetches the files of a commit whose tree is known beforehand. Its
// attributes are gitAttrs.
//
// Files come as they are in the commit: attributes, filters and line endings of
// git do not count, large files of LFS remain pointers. Owners, times and
// permissions other than "executable" are not part of a commit.
func git(ctx context.Context, s *Step) error {
	var attrs gitAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	fixed := s.Derivation.Fixed
	if fixed == nil || fixed.Kind != store.KindTree {
		return fmt.Errorf("fetch %q: only a commit whose tree is known can be fetched", s.Derivation.Name)
	}
	remote, err := gitfetch.ParseRemote(attrs.URL)
	if err != nil {
		return err
	}
	got, err := s.CommitTree(ctx, gitfetch.Request{Remote: remote, Commit: attrs.Commit, Ref: attrs.Ref}, attrs.Submodules)
	switch {
	case err != nil:
		return err
	case attrs.Unknown:
		return &UnknownHashError{URL: remote.String(), Got: got}
	case got != fixed.Digest:
		return &download.HashError{URL: remote.String(), Want: fixed.Digest, Got: got}
	}
	s.SetTree(s.Derivation.OutputNames()[0], store.KindTree, got, nil)
	return nil
}

// CommitTree puts the files of a commit into the store, and returns the digest of the
// canonical tree that they are: what "builtin:git" makes. r.Dir is not used.
func (s *Step) CommitTree(ctx context.Context, r gitfetch.Request, submodules bool) (store.Digest, error) {
	dir, err := s.TempDir()
	if err != nil {
		return store.Digest{}, err
	}
	return newCheckout(s, dir).tree(ctx, r, submodules)
}

// CommitTree puts the files of a commit into a store, without those of
// submodules, and returns the digest of the canonical tree that they are: what
// "builtin:git" makes. r.Dir is an empty directory for what is needed meanwhile.
func CommitTree(ctx context.Context, st Store, client gitfetch.Client, r gitfetch.Request) (store.Digest, error) {
	progress := func(done, _ int64) {}
	if r.Progress != nil {
		progress = func(done, _ int64) { r.Progress(done) }
	}
	return newCheckout(&Step{Store: st, Git: client, Progress: progress}, r.Dir).tree(ctx, r, false)
}

// A checkout reads commits into a listing. Nothing of them is ever a file on
// disk, except in git's own form.
type checkout struct {
	step  *Step
	dir   string
	top   *listing
	blobs map[blobKey]tree.Entry
	// What is still allowed, and how much there has been.
	left         int64
	entries      int
	repositories int
	received     int64 // bytes, by repositories that are complete
}

// A blobKey is a content as the store keeps it.
type blobKey struct {
	id         string
	executable bool
}

func newCheckout(s *Step, dir string) *checkout {
	return &checkout{step: s, dir: dir, top: newListing(), blobs: make(map[blobKey]tree.Entry), left: maxArchive}
}

// tree fetches a commit and keeps the canonical tree that its files are.
func (c *checkout) tree(ctx context.Context, r gitfetch.Request, submodules bool) (store.Digest, error) {
	if err := c.repository(ctx, r, submodules, "", 0); err != nil {
		return store.Digest{}, err
	}
	c.top.canonical()
	top, err := c.top.write(ctx, c.step.Store)
	return top.Digest, err
}

// repository fetches a commit and puts its files below a path.
func (c *checkout) repository(ctx context.Context, r gitfetch.Request, submodules bool, at string, depth int) (err error) {
	if c.repositories > maxSubmodules || depth > maxNesting {
		return fmt.Errorf("fetch %s: more than %d submodules, or more than %d in one another", r.Remote, maxSubmodules, maxNesting)
	}
	r.Dir = filepath.Join(c.dir, strconv.Itoa(c.repositories))
	c.repositories++
	var arrived int64
	r.Progress = func(done int64) {
		arrived = done
		c.step.Progress(c.received+done, -1)
	}
	repo, err := c.step.Git.Fetch(ctx, r)
	if err != nil {
		return err
	}
	c.received += arrived
	links, err := c.files(ctx, repo, at)
	var modules map[string]string
	if err == nil && submodules && len(links) > 0 {
		modules, err = c.modules(repo)
	}
	repo.Close()
	if err != nil {
		return fmt.Errorf("commit %s of %s: %w", r.Commit, r.Remote, err)
	}
	if err := os.RemoveAll(r.Dir); err != nil || !submodules {
		return err
	}
	for _, l := range links {
		address, ok := modules[l.path]
		if !ok {
			return fmt.Errorf("commit %s of %s: submodule %q has no address in .gitmodules", r.Commit, r.Remote, l.path)
		}
		remote, err := r.Remote.Submodule(address)
		if err != nil {
			return fmt.Errorf("commit %s of %s: submodule %q: %w", r.Commit, r.Remote, l.path, err)
		}
		sub := gitfetch.Request{Remote: remote, Commit: l.commit}
		if err := c.repository(ctx, sub, true, join(at, l.path), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// A gitLink is where a submodule belongs.
type gitLink struct{ path, commit string }

// files puts all files of a commit below a path, submodules as empty
// directories, and returns these.
func (c *checkout) files(ctx context.Context, repo *gitfetch.Repository, at string) ([]gitLink, error) {
	clear(c.blobs) // names of one repository say nothing about another
	var links []gitLink
	// Directories that are still to be read: depth is checked when they are put.
	type dir struct{ path, id string }
	for todo := []dir{{"", repo.Root}}; len(todo) > 0; {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		entries, err := repo.Tree(d.id)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", d.path, err)
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			if c.entries++; c.entries > maxEntries {
				return nil, fmt.Errorf("more than %d entries", maxEntries)
			}
			name := join(d.path, e.Name)
			if err := c.put(ctx, repo, e, join(at, name)); err != nil {
				return nil, err
			}
			switch e.Type {
			case gitfetch.Dir:
				todo = append(todo, dir{name, e.ID})
			case gitfetch.Submodule:
				links = append(links, gitLink{name, e.ID})
			}
		}
	}
	return links, nil
}

// put adds one entry to the listing.
func (c *checkout) put(ctx context.Context, repo *gitfetch.Repository, e gitfetch.Entry, name string) error {
	parts, err := splitPath(name)
	if err != nil {
		return err
	}
	entry := tree.Entry{Type: tree.Dir, Mode: 0o755}
	switch e.Type {
	case gitfetch.File, gitfetch.Executable:
		entry, err = c.blob(ctx, repo, e)
	case gitfetch.Link:
		entry, err = c.link(repo, e)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return c.top.put(parts, entry, false)
}

// blob keeps the content of a file, once however often it occurs.
func (c *checkout) blob(ctx context.Context, repo *gitfetch.Repository, e gitfetch.Entry) (tree.Entry, error) {
	key := blobKey{e.ID, e.Type == gitfetch.Executable}
	if known, ok := c.blobs[key]; ok {
		c.left -= known.Size
		return known, c.checkSize()
	}
	content, size, err := repo.Blob(e.ID)
	if err != nil {
		return tree.Entry{}, err
	}
	c.left -= size
	if err := c.checkSize(); err != nil {
		return tree.Entry{}, err
	}
	entry := tree.Entry{Type: tree.File, Mode: tree.ModeFile}
	if key.executable {
		entry.Mode = tree.ModeExecutable
	}
	if entry.Digest, entry.Size, err = c.step.Store.AddFile(ctx, content, key.executable); err != nil {
		return tree.Entry{}, err
	}
	if entry.Size != size {
		return tree.Entry{}, fmt.Errorf("%d bytes, want %d", entry.Size, size)
	}
	c.blobs[key] = entry
	return entry, nil
}

func (c *checkout) checkSize() error {
	if c.left < 0 {
		return fmt.Errorf("the commit's files have more than %d bytes", int64(maxArchive))
	}
	return nil
}

func (c *checkout) link(repo *gitfetch.Repository, e gitfetch.Entry) (tree.Entry, error) {
	content, size, err := repo.Blob(e.ID)
	if err != nil {
		return tree.Entry{}, err
	}
	if size == 0 || size > tree.MaxTarget {
		return tree.Entry{}, fmt.Errorf("link target of %d bytes", size)
	}
	target, err := io.ReadAll(content)
	if bytes.IndexByte(target, 0) >= 0 {
		return tree.Entry{}, fmt.Errorf("NUL in the target of a link")
	}
	return tree.Entry{Type: tree.Link, Mode: 0o777, Target: string(target)}, err
}

// modules reads the addresses of submodules, by path.
func (c *checkout) modules(repo *gitfetch.Repository) (map[string]string, error) {
	entries, err := repo.Tree(repo.Root)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch {
		case e.Name != ".gitmodules":
		case e.Type != gitfetch.File && e.Type != gitfetch.Executable:
			return nil, fmt.Errorf(".gitmodules is not a file")
		default:
			return repo.Submodules(e.ID)
		}
	}
	return nil, nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
