package systems

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sysc/store/tree"
)

// maxLinks is the number of symbolic links that one path may lead through, as
// in path_resolution(7).
const maxLinks = 40

// An entryGetter looks one place up, without following links.
type entryGetter interface {
	Get(ctx context.Context, path string) (tree.Entry, bool, error)
}

func (d *declarer) resolve(ctx context.Context, path string, last bool) (string, error) {
	return resolveIn(ctx, d.builder, path, last)
}

// resolveIn returns where path leads in a root, relative to it, when links are
// followed as after chroot(2). The last component is followed only when last is
// set. What does not exist leads nowhere else.
func resolveIn(ctx context.Context, root entryGetter, path string, last bool) (string, error) {
	todo := components(path)
	var at []string
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			at = at[:max(0, len(at)-1)]
			continue
		}
		at = append(at, name)
		if len(todo) == 0 && !last {
			break
		}
		here := strings.Join(at, "/")
		e, ok, err := root.Get(ctx, here)
		if err != nil {
			return "", err
		}
		switch {
		case !ok || e.Type == tree.Dir:
		case e.Type == tree.Link:
			if links++; links > maxLinks {
				return "", fmt.Errorf("more than %d symbolic links on the way", maxLinks)
			}
			at = at[:len(at)-1]
			if strings.HasPrefix(e.Target, "/") {
				at = nil
			}
			todo = slices.Concat(components(e.Target), todo)
		case len(todo) > 0:
			return "", fmt.Errorf("/%s is a file, not a directory", here)
		}
	}
	if len(at) == 0 {
		return "", fmt.Errorf("it leads to the root itself")
	}
	return strings.Join(at, "/"), nil
}

// components splits a path; empty ones and dots are left out.
func components(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}
