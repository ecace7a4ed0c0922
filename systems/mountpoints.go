package systems

import (
	"context"
	"strings"

	"sysc/store/tree"
)

// mountPoints makes directories for file systems to be mounted at where nobody can make
// them in the machine: in its top directory, and in directories that generations own. What
// is there stays as it is, and is hidden by what is mounted.
func (d *declarer) mountPoints(ctx context.Context, points []MountPoint) error {
	for _, m := range points {
		this := m.declaration()
		if m.Path == "/" {
			continue
		}
		if err := checkPath(m.Path); err != nil {
			return this.errorf("%v", err)
		}
		place, err := d.resolve(ctx, m.Path, true)
		if err != nil {
			return this.errorf("%v", err)
		}
		top := topLevel(place)
		if Volatile(top) || strings.Contains(place, "/") && !Owned(top) {
			continue
		}
		if e, ok, err := d.builder.Get(ctx, place); err != nil {
			return err
		} else if ok && e.Type != tree.Dir {
			return this.errorf("the root has a file there")
		} else if ok {
			continue
		}
		if err := d.builder.Mkdir(ctx, place, tree.Entry{Type: tree.Dir, Mode: 0o755}); err != nil {
			return err
		}
	}
	return nil
}
