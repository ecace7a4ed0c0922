package gitfetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sysc/internal/lazyregexp"
)

const (
	defaultMaxBytes = 16 << 30
	defaultSilence  = 5 * time.Minute
	defaultTimeout  = 6 * time.Hour
)

// A Client fetches. The zero value works; it is safe for concurrent use.
type Client struct {
	// MaxBytes is the most that one repository may send, packed; 0 means 16 GiB.
	// It is looked at several times a second, so that a little more may arrive.
	MaxBytes int64
	// Silence is how long nothing may happen; 0 means five minutes, as servers
	// count objects and checks take their time.
	Silence time.Duration
	// Timeout is how long all of one fetch may take; 0 means six hours.
	Timeout time.Duration
}

// A Request is one commit to fetch.
type Request struct {
	Remote Remote
	// Commit is its full hash: 40 hexadecimal digits, or 64 in a repository of
	// format SHA-256.
	Commit string
	// Ref is a branch, a tag or a whole ref that leads to the commit, for servers
	// that do not give commits by their names; or "".
	Ref string
	// Dir is an empty directory, whose contents are the caller's to remove.
	Dir string
	// Progress, if not nil, is told how many bytes have arrived, from one goroutine
	// at a time.
	Progress func(done int64)
}

var (
	commitPattern = lazyregexp.New(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	refPattern    = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.+/#=@-]*$`)
)

// CheckCommit reports why a text is not the full hash of a commit.
func CheckCommit(s string) error {
	if !commitPattern().MatchString(s) {
		return fmt.Errorf("%q is not the whole hash of a commit: 40 or 64 hexadecimal digits in lower case", s)
	}
	return nil
}

// CheckRef reports why a text cannot be the name of a ref.
func CheckRef(s string) error {
	if !refPattern().MatchString(s) || strings.Contains(s, "..") || strings.Contains(s, "//") || strings.Contains(s, "/.") ||
		strings.HasSuffix(s, "/") || strings.HasSuffix(s, ".") || strings.HasSuffix(s, ".lock") {
		return fmt.Errorf("%q is not the name of a branch, a tag or a ref", s)
	}
	return nil
}

// Fetch gets one commit with its files, and no history where the server allows
// that. Close the repository after use.
//
// The commit is asked for by its name first; when that does not work but the
// server answers, the ref is fetched, and then all branches and tags. Errors:
// [*MissingError], [*SizeError], [*Error], or ctx's.
func (c *Client) Fetch(ctx context.Context, r Request) (*Repository, error) {
	if err := CheckCommit(r.Commit); err != nil {
		return nil, err
	}
	if r.Ref != "" {
		if err := CheckRef(r.Ref); err != nil {
			return nil, err
		}
	}
	g, err := c.prepare(r.Remote, r.Dir)
	if err != nil {
		return nil, err
	}
	g.progress = r.Progress
	limited, cancel := c.limited(ctx, r.Remote)
	defer cancel()
	if err := g.fetch(limited, r); err != nil {
		return nil, err
	}
	return g.open(ctx, r.Commit)
}

// limited ends what takes too long altogether.
func (c *Client) limited(ctx context.Context, r Remote) (context.Context, context.CancelFunc) {
	limit := cmp.Or(c.Timeout, defaultTimeout)
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("fetch %s: not done after %v", r, limit))
}

// prepare finds git and makes room in dir.
func (c *Client) prepare(r Remote, dir string) (*git, error) {
	if r == (Remote{}) {
		return nil, errors.New("fetch: no address")
	}
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("fetch %s: the program git is needed, and it is not installed: %w", r, err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	g := &git{
		program: program, remote: r, dir: filepath.Join(dir, "git"), home: filepath.Join(dir, "home"),
		limit: cmp.Or(c.MaxBytes, defaultMaxBytes), silence: cmp.Or(c.Silence, defaultSilence),
	}
	return g, os.MkdirAll(g.home, 0o700)
}

func (g *git) fetch(ctx context.Context, r Request) error {
	format := "sha1"
	if len(r.Commit) == 64 {
		format = "sha256"
	}
	if _, err := g.run(ctx, "init", "--quiet", "--bare", "--template=", "--object-format="+format); err != nil {
		return err
	}
	err := g.pull(ctx, "--depth=1", r.Commit)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || !errors.As(err, new(*Error)) || errors.Is(err, errSilent) {
		return err
	}
	// The server may be out of reach, or just not willing to give this commit.
	if _, refsErr := g.refs(ctx, "HEAD"); refsErr != nil {
		return refsErr
	}
	if r.Ref != "" {
		if err := g.tryRefs(ctx, r.Commit, "+"+r.Ref+":refs/fetched/ref"); err == nil || !errors.As(err, new(*MissingError)) {
			return err
		}
	}
	err = g.tryRefs(ctx, r.Commit, "+refs/heads/*:refs/fetched/heads/*", "+refs/tags/*:refs/fetched/tags/*")
	var missing *MissingError
	if errors.As(err, &missing) {
		missing.Ref = r.Ref
	}
	return err
}

// tryRefs fetches refs with their history. It returns a *MissingError when there
// is no such ref, or the commit is not in any.
func (g *git) tryRefs(ctx context.Context, commit string, refspecs ...string) error {
	missing := &MissingError{Remote: g.remote, Commit: commit}
	err := g.pull(ctx, refspecs...)
	var failed *Error
	if errors.As(err, &failed) && strings.Contains(failed.Output, "couldn't find remote ref") {
		return missing
	}
	if err != nil {
		return err
	}
	_, err = g.run(ctx, "cat-file", "-e", commit)
	if errors.As(err, &failed) {
		return missing
	}
	return err
}

// pull runs "git fetch". Options may stand before the refspecs.
func (g *git) pull(ctx context.Context, args ...string) error {
	all := []string{"fetch", "--progress", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"}
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		all, args = append(all, args[0]), args[1:]
	}
	all = append(all, "--", g.remote.String())
	_, err := g.run(ctx, append(all, args...)...)
	return err
}
