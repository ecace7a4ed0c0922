package gitfetch

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A Tag is a tag of a remote.
type Tag struct {
	Name string
	// Commit is what it leads to, through an annotation if it has one.
	Commit string
}

// Tags returns the tags that a remote says it has, in byte order of their names.
// Names that [CheckRef] refuses are left out: nobody can ask for them.
func (c *Client) Tags(ctx context.Context, r Remote) ([]Tag, error) {
	dir, err := os.MkdirTemp("", "sysc-git-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	g, err := c.prepare(r, dir)
	if err != nil {
		return nil, err
	}
	limited, cancel := c.limited(ctx, r)
	defer cancel()
	refs, err := g.refs(limited, "refs/tags/*")
	if err != nil {
		return nil, err
	}
	const prefix, peeled = "refs/tags/", "^{}"
	var tags []Tag
	for name, commit := range refs {
		tag, ok := strings.CutPrefix(name, prefix)
		if !ok || CheckRef(tag) != nil {
			continue
		}
		if inner, ok := refs[name+peeled]; ok {
			commit = inner
		}
		tags = append(tags, Tag{Name: tag, Commit: commit})
	}
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Name, b.Name) })
	return tags, nil
}

// A RefError says that a remote has no such ref.
type RefError struct {
	Remote Remote
	Ref    string
}

func (e *RefError) Error() string {
	return fmt.Sprintf("%s has no branch or tag %q", e.Remote, e.Ref)
}

// Resolve asks a remote what a ref leads to now: "HEAD", a tag, a branch, or a
// whole name such as "refs/pull/1/head", looked for in this order. Without such
// a ref the error is a [*RefError].
func (c *Client) Resolve(ctx context.Context, r Remote, ref string) (commit string, err error) {
	if err := CheckRef(ref); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "sysc-git-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	g, err := c.prepare(r, dir)
	if err != nil {
		return "", err
	}
	limited, cancel := c.limited(ctx, r)
	defer cancel()
	refs, err := g.refs(limited, ref, ref+"^{}")
	if err != nil {
		return "", err
	}
	names := []string{"refs/tags/" + ref, "refs/heads/" + ref, ref}
	if ref == "HEAD" {
		names = []string{ref}
	}
	for _, name := range names {
		if inner, ok := refs[name+"^{}"]; ok {
			return inner, nil
		}
		if commit, ok := refs[name]; ok {
			return commit, nil
		}
	}
	return "", &RefError{Remote: r, Ref: ref}
}

// refs asks the remote what refs lead to. Annotated tags occur twice, once with
// "^{}" behind their name.
func (g *git) refs(ctx context.Context, patterns ...string) (map[string]string, error) {
	out, err := g.run(ctx, append([]string{"ls-remote", "--quiet", "--", g.remote.String()}, patterns...)...)
	if err != nil {
		return nil, err
	}
	refs := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		id, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || CheckCommit(id) != nil {
			return nil, fmt.Errorf("git ls-remote %s: cannot read line %q", g.remote, line)
		}
		refs[name] = id
	}
	return refs, nil
}
