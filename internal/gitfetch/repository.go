package gitfetch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

const (
	// maxMeta bounds a commit or one directory, in bytes.
	maxMeta = 256 << 20
	// maxModules bounds a file of submodules, in bytes.
	maxModules = 1 << 20
)

// A Repository is a commit that is here, and a process that hands out what is in
// it until the context of [Client.Fetch] ends. It is not safe for concurrent use.
type Repository struct {
	// Root is the tree of the commit.
	Root string

	git      *git
	ctx      context.Context
	cancel   context.CancelFunc
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Reader
	messages tail
	idLen    int // bytes of an object's name
	left     int64
}

// open starts the process that hands out objects: one for all of them.
func (g *git) open(ctx context.Context, commit string) (_ *Repository, err error) {
	r := &Repository{git: g, idLen: len(commit) / 2}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.cmd = g.command(r.ctx, "cat-file", "--batch")
	r.cmd.Stderr = &r.messages
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		r.cancel()
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		r.cancel()
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		r.cancel()
		return nil, fmt.Errorf("start git: %w", err)
	}
	r.out = bufio.NewReaderSize(out, 64<<10)
	raw, err := r.whole(commit, "commit", maxMeta)
	if err != nil {
		r.Close()
		return nil, err
	}
	// The first line is "tree ID".
	line, _, _ := strings.Cut(string(raw), "\n")
	if r.Root, _ = strings.CutPrefix(line, "tree "); CheckCommit(r.Root) != nil || len(r.Root) != len(commit) {
		r.Close()
		return nil, fmt.Errorf("read commit %s: no tree in it", commit)
	}
	return r, nil
}

// Close ends the process. The repository's files stay.
func (r *Repository) Close() {
	r.in.Close()
	r.cancel()
	r.cmd.Wait() // it was told to end, how is nobody's business
}

// Blob returns the bytes of a file or the target of a link, and their number.
// They must be read before anything else is asked for.
func (r *Repository) Blob(id string) (io.Reader, int64, error) {
	size, err := r.request(id, "blob")
	if err != nil {
		return nil, 0, err
	}
	return body{r}, size, nil
}

// Tree returns the entries of a directory in git's order, with names that can
// stand in a directory, each once, none of them git's own.
func (r *Repository) Tree(id string) ([]Entry, error) {
	raw, err := r.whole(id, "tree", maxMeta)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(raw, r.idLen)
	if err != nil {
		return nil, fmt.Errorf("read tree %s of %s: %w", id, r.git.remote, err)
	}
	return entries, nil
}

// Submodules reads a blob that describes submodules, and returns their addresses
// as written, by their paths.
func (r *Repository) Submodules(id string) (map[string]string, error) {
	// Read here first, so that what is parsed is a small blob.
	if _, err := r.whole(id, "blob", maxModules); err != nil {
		return nil, err
	}
	out, err := r.git.run(r.ctx, "config", "--blob="+id, "--no-includes", "--null", "--list")
	if err != nil {
		return nil, err
	}
	paths, addresses := map[string]string{}, map[string]string{}
	for item := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		key, ok := strings.CutPrefix(key, "submodule.")
		dot := strings.LastIndexByte(key, '.')
		if !ok || dot < 0 {
			continue
		}
		switch name := key[:dot]; key[dot+1:] {
		case "path":
			paths[name] = value
		case "url":
			addresses[name] = value
		}
	}
	modules := make(map[string]string, len(paths))
	for name, path := range paths {
		if other, ok := modules[path]; ok && other != addresses[name] {
			return nil, fmt.Errorf("read submodules of %s: two addresses for %q", r.git.remote, path)
		}
		modules[path] = addresses[name]
	}
	return modules, nil
}

// whole reads a small object.
func (r *Repository) whole(id, kind string, limit int64) ([]byte, error) {
	size, err := r.request(id, kind)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("read %s %s of %s: it has %d bytes, %d are allowed", kind, id, r.git.remote, size, limit)
	}
	raw := make([]byte, size)
	_, err = io.ReadFull(body{r}, raw)
	return raw, err
}

// request asks for an object and returns its size; its bytes come next.
func (r *Repository) request(id, kind string) (int64, error) {
	if r.left > 1 {
		return 0, fmt.Errorf("read %s %s: the object before has not been read", kind, id)
	}
	if _, err := r.out.Discard(int(r.left)); err != nil {
		return 0, r.failed(err)
	}
	r.left = 0
	if _, err := io.WriteString(r.in, id+"\n"); err != nil {
		return 0, r.failed(err)
	}
	line, err := r.out.ReadString('\n')
	if err != nil {
		return 0, r.failed(err)
	}
	fields := strings.Fields(line)
	if len(fields) != 3 || fields[0] != id {
		return 0, fmt.Errorf("read %s %s of %s: the repository does not have it", kind, id, r.git.remote)
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return 0, fmt.Errorf("read %s %s of %s: git says %q", kind, id, r.git.remote, line)
	}
	r.left = size + 1 // a newline follows
	if fields[1] != kind {
		return 0, fmt.Errorf("%s of %s is a %s, not a %s", id, r.git.remote, fields[1], kind)
	}
	return size, nil
}

func (r *Repository) failed(err error) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	return &Error{Remote: r.git.remote, Doing: "cat-file", Output: r.messages.last(), cause: err}
}

// A body reads one object, without the newline behind it.
type body struct{ r *Repository }

func (b body) Read(p []byte) (int, error) {
	r := b.r
	if r.left <= 1 {
		return 0, io.EOF
	}
	n, err := r.out.Read(p[:min(int64(len(p)), r.left-1)])
	r.left -= int64(n)
	if err != nil {
		return n, r.failed(io.ErrUnexpectedEOF)
	}
	return n, nil
}
