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

// refs asks the remote what refs lead to. Annotated tags occur twice, once with
// "^{}" behind their name.
func (g *git) refs(ctx context.Context, pattern string) (map[string]string, error) {
	out, err := g.run(ctx, "ls-remote", "--quiet", "--", g.remote.String(), pattern)
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
