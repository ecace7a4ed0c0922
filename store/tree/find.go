package tree

import (
	"context"
	"fmt"
	"path"
	"strings"

	"sysc/store"
)

// maxLinks bounds the symbolic links that [Resolve] follows, as the kernel
// does (path_resolution(7)).
const maxLinks = 40

// rootEntry is what the top of a tree is taken for: a tree says nothing about
// its own directory.
func rootEntry(root store.Digest, size int64) Entry {
	return Entry{Type: Dir, Mode: 0o755, Size: size, Digest: root}
}

// Find returns the entry at a slash-separated path below root. It follows no
// symbolic link. "", "." and "/" are root itself, as a directory 0755 without a
// name. A missing name, or one below something that is no directory, is
// store.ErrNotExist, wrapped.
func Find(ctx context.Context, src Source, root store.Digest, name string) (Entry, error) {
	parts, err := split(name)
	if err != nil {
		return Entry{}, err
	}
	t, err := src.Tree(ctx, root)
	if err != nil {
		return Entry{}, fmt.Errorf("find %q: %w", name, err)
	}
	at := rootEntry(root, t.Size())
	for i, part := range parts {
		if at.Type != Dir {
			return Entry{}, notDir(name, parts[:i])
		}
		if i > 0 {
			if t, err = src.Tree(ctx, at.Digest); err != nil {
				return Entry{}, fmt.Errorf("find %q: %w", name, err)
			}
		}
		next, ok := t.Lookup(part)
		if !ok {
			return Entry{}, missing(name, strings.Join(parts[:i+1], "/"))
		}
		at = next
	}
	return at, nil
}

// Resolve is [Find] that follows symbolic links, also at the end of the path, as
// a process whose root directory is root would: an absolute target begins at
// root, and ".." ends there. It returns the path that it arrived at, without a
// leading slash, and the entry there. A dangling link is store.ErrNotExist,
// wrapped.
func Resolve(ctx context.Context, src Source, root store.Digest, name string) (string, Entry, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", Entry{}, fmt.Errorf("resolve %q: NUL in the path", name)
	}
	top, err := src.Tree(ctx, root)
	if err != nil {
		return "", Entry{}, fmt.Errorf("resolve %q: %w", name, err)
	}
	// A stack of the directories from root to where we are, for "..".
	type step struct {
		path  string
		entry Entry
	}
	stack := []step{{"", rootEntry(root, top.Size())}}
	todo := name
	links := 0
	for {
		part, rest, more := strings.Cut(strings.TrimLeft(todo, "/"), "/")
		todo = rest
		here := stack[len(stack)-1]
		if part == "" && !more {
			return here.path, here.entry, nil
		}
		if here.entry.Type != Dir {
			return "", Entry{}, notDir(name, []string{here.path})
		}
		switch part {
		case ".":
			continue
		case "..":
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
			continue
		}
		t, err := src.Tree(ctx, here.entry.Digest)
		if err != nil {
			return "", Entry{}, fmt.Errorf("resolve %q: %w", name, err)
		}
		at := path.Join(here.path, part)
		e, ok := t.Lookup(part)
		if !ok {
			return "", Entry{}, missing(name, at)
		}
		if e.Type != Link {
			if len(stack) > MaxDepth {
				return "", Entry{}, fmt.Errorf("resolve %q: deeper than %d directories", name, MaxDepth)
			}
			stack = append(stack, step{at, e})
			continue
		}
		if links++; links > maxLinks {
			return "", Entry{}, fmt.Errorf("resolve %q: more than %d symbolic links", name, maxLinks)
		}
		if strings.HasPrefix(e.Target, "/") {
			stack = stack[:1]
		}
		if todo = e.Target + "/" + todo; len(todo) > maxLinks*(MaxTarget+1)+len(name) {
			return "", Entry{}, fmt.Errorf("resolve %q: path too long", name)
		}
	}
}

// A missingError says that a tree has no such name. It is store.ErrNotExist, whose
// text would be wrong: the tree is there.
type missingError string

func (e missingError) Error() string { return string(e) }

func (e missingError) Unwrap() error { return store.ErrNotExist }

func missing(name, at string) error {
	if strings.Trim(name, "/") == at {
		return missingError(fmt.Sprintf("there is no %q", at))
	}
	return missingError(fmt.Sprintf("find %q: there is no %q", name, at))
}

func notDir(name string, at []string) error {
	return missingError(fmt.Sprintf("find %q: %q is not a directory", name, strings.Join(at, "/")))
}

// split cuts a path into names. Empty ones and "." are dropped; ".." is
// refused, for without following links its meaning is not that of a kernel.
func split(name string) ([]string, error) {
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." {
			continue
		}
		if err := CheckName(part); err != nil {
			return nil, fmt.Errorf("path %q: %w", name, err)
		}
		parts = append(parts, part)
	}
	if len(parts) > MaxDepth {
		return nil, fmt.Errorf("path of %d names, at most %d", len(parts), MaxDepth)
	}
	return parts, nil
}
