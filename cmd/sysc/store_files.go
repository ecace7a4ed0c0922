package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sysc/internal/bytesize"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

func (a *app) storeAddCommand() *cobra.Command {
	var name, outLink string
	cmd := a.storeFillVerb(&cobra.Command{
		Use:   "add PATH",
		Short: "Add a file or directory, and print the object's path",
		Long: `Add a file or directory, and print the object's path.

Owners, times and modes other than the executable bit are not kept. Without
--out-link the object goes with the next sysc gc.`,
		Example: "  sysc store add ./firmware --name firmware-1.2 --out-link ./result",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}, func(ctx context.Context, st *localstore.Store, args []string) error {
		return a.storeAdd(ctx, st, args[0], name, outLink)
	})
	cmd.Flags().StringVar(&name, "name", "", "the object's `NAME` (default: that of the file)")
	cmd.Flags().StringVar(&outLink, "out-link", "", "make the symbolic `LINK`, which keeps the object")
	return cmd
}

func (a *app) storeAdd(ctx context.Context, st *localstore.Store, path, name, outLink string) error {
	if err := checkOutLink(outLink); err != nil {
		return err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if name == "" {
		name = filepath.Base(path)
		if err := store.CheckName(name); err != nil {
			return fmt.Errorf("%w: choose another one with --name", err)
		}
	}
	m := a.newStoreMeter()
	defer m.end()
	o, err := st.AddDir(ctx, path, &localstore.AddOptions{Name: name, OutsideLinks: true, Remember: true})
	if err != nil {
		return err
	}
	if err := st.Register(ctx, []store.Object{o}, nil); err != nil {
		return err
	}
	m.end()
	if outLink != "" {
		if err := makeOutLink(ctx, st, o.Path, outLink); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(struct {
			Path   store.Path `json:"path"`
			Target string     `json:"target"`
			Size   int64      `json:"size"`
		}{o.Path, st.PhysicalPath(o.Path), o.Size})
	}
	fmt.Fprintln(a.out, st.PhysicalPath(o.Path))
	return nil
}

// objectFile reads what a user writes for a file in an object: what objectPath
// reads, with the path of the file after it.
func objectFile(arg string) (p store.Path, file string, err error) {
	if p, err := objectPath(arg); err == nil {
		return p, "", nil
	}
	// The object may be anywhere on the way, also a link to it.
	for i := 1; i < len(arg); i++ {
		if arg[i] != '/' {
			continue
		}
		if p, err := objectPath(arg[:i]); err == nil {
			return p, strings.Trim(arg[i:], "/"), nil
		}
	}
	_, err = objectPath(arg)
	return "", "", err
}

// lookUp finds a file in an object.
func lookUp(ctx context.Context, st *localstore.Store, arg string) (store.Object, string, tree.Entry, error) {
	p, file, err := objectFile(arg)
	if err != nil {
		return store.Object{}, "", tree.Entry{}, err
	}
	o, err := st.Object(ctx, p)
	if err != nil {
		return o, "", tree.Entry{}, err
	}
	if o.Kind == store.KindFile && file == "" {
		file = store.FileEntry
	}
	e, err := tree.Find(ctx, st, o.Tree, file)
	if err != nil {
		return o, "", e, fmt.Errorf("%s: %w", p, err)
	}
	return o, file, e, nil
}

// wrongType refuses what a user has named, which no verb follows when it is a link.
func wrongType(arg string, e tree.Entry, want string) error {
	if e.Type == tree.Link {
		return fmt.Errorf("%s is a link to %q, not a %s", arg, e.Target, want)
	}
	return fmt.Errorf("%s is a %v, not a %s", arg, e.Type, want)
}

func (a *app) storeCatCommand() *cobra.Command {
	return a.storeVerb(&cobra.Command{
		Use:     "cat OBJECT[/FILE]",
		Short:   "Write a file of an object to standard output",
		Example: "  sysc store cat ./result/etc/os-release",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}, func(ctx context.Context, st *localstore.Store, args []string) error {
		_, _, e, err := lookUp(ctx, st, args[0])
		if err != nil {
			return err
		}
		if e.Type != tree.File {
			return wrongType(args[0], e, "file")
		}
		blob, err := st.OpenBlob(ctx, e.Digest)
		if err != nil {
			return err
		}
		_, err = io.Copy(a.out, blob)
		return errors.Join(err, blob.Close())
	})
}

// A listedFile is what `store ls` prints of a file.
type listedFile struct {
	Path   string        `json:"path"`
	Type   string        `json:"type"`
	Mode   string        `json:"mode"`
	UID    uint32        `json:"uid"`
	GID    uint32        `json:"gid"`
	Size   int64         `json:"size"`
	Digest *store.Digest `json:"digest,omitempty"`
	Target string        `json:"target,omitempty"`
	Xattrs []string      `json:"xattrs,omitempty"`
}

func listed(path string, e *tree.Entry) listedFile {
	f := listedFile{Path: path, Type: e.Type.String(), Mode: fmt.Sprintf("%04o", e.Mode), UID: e.UID, GID: e.GID, Size: e.Size, Target: e.Target}
	if e.Type != tree.Link {
		f.Digest = &e.Digest
	}
	for _, x := range e.Xattrs {
		f.Xattrs = append(f.Xattrs, x.Name)
	}
	return f
}

// String is one line for people: names are quoted when a terminal would choke.
func (f listedFile) String() string {
	name := quotedName(f.Path)
	if f.Target != "" {
		name += " -> " + quotedName(f.Target)
	}
	size := bytesize.Format(f.Size)
	if f.Type == tree.Link.String() {
		size = ""
	}
	return fmt.Sprintf("%-9s %s %5d %5d %10s  %s", f.Type, f.Mode, f.UID, f.GID, size, name)
}

func quotedName(name string) string {
	if quoted := fmt.Sprintf("%q", name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

func (a *app) storeLsCommand() *cobra.Command {
	var recursive bool
	cmd := a.storeVerb(&cobra.Command{
		Use:     "ls OBJECT[/DIR]",
		Short:   "List the files of an object with their metadata",
		Example: "  sysc store ls ./result/etc\n  sysc store ls -R ./result --json",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}, func(ctx context.Context, st *localstore.Store, args []string) error {
		_, file, e, err := lookUp(ctx, st, args[0])
		if err != nil {
			return err
		}
		files, err := listFiles(ctx, st, file, e, recursive)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(files)
		}
		return a.printLines(func(w io.Writer) {
			for _, f := range files {
				fmt.Fprintln(w, f)
			}
		})
	})
	cmd.Flags().BoolVarP(&recursive, "recursive", "R", false, "list directories in directories, too")
	return cmd
}

func listFiles(ctx context.Context, st *localstore.Store, at string, e tree.Entry, recursive bool) ([]listedFile, error) {
	if e.Type != tree.Dir {
		return []listedFile{listed(at, &e)}, nil
	}
	files := []listedFile{}
	if recursive {
		err := tree.Walk(ctx, st, e.Digest, func(path string, e tree.Entry) error {
			files = append(files, listed(path, &e))
			return nil
		})
		return files, err
	}
	t, err := st.Tree(ctx, e.Digest)
	if err != nil {
		return nil, err
	}
	for i := range t.Entries {
		files = append(files, listed(t.Entries[i].Name, &t.Entries[i]))
	}
	return files, nil
}

func (a *app) storeCheckoutCommand() *cobra.Command {
	var copies bool
	cmd := a.storeVerb(&cobra.Command{
		Use:   "checkout OBJECT DIR",
		Short: "Write the files of an object into a new directory",
		Long: `Write the files of an object into a new directory.

Files are hard links to the store where their metadata allow it: do not change
them. Owners and extended attributes are left out.`,
		Example: "  sysc store checkout ./result ./out --copy",
		Args:    usageArgs(cobra.ExactArgs(2)),
	}, func(ctx context.Context, st *localstore.Store, args []string) error {
		o, _, e, err := lookUp(ctx, st, args[0])
		if err != nil {
			return err
		}
		if o.Kind == store.KindFile {
			e.Type, e.Digest = tree.Dir, o.Tree
		}
		if e.Type != tree.Dir {
			return wrongType(args[0], e, "directory")
		}
		m := a.newStoreMeter()
		defer m.end()
		return st.Checkout(ctx, e.Digest, args[1], store.CheckoutOptions{Link: !copies})
	})
	cmd.Flags().BoolVar(&copies, "copy", false, "make copies, which may be changed")
	return cmd
}

func (a *app) storeDiffCommand() *cobra.Command {
	return a.storeVerb(&cobra.Command{
		Use:     "diff OBJECT OBJECT",
		Short:   "List the files that differ between two objects",
		Example: "  sysc store diff ./result ./result-before",
		Args:    usageArgs(cobra.ExactArgs(2)),
	}, func(ctx context.Context, st *localstore.Store, args []string) error {
		var tops [2]store.Digest
		for i, arg := range args {
			_, _, e, err := lookUp(ctx, st, arg)
			if err != nil {
				return err
			}
			if e.Type != tree.Dir {
				return wrongType(arg, e, "directory")
			}
			tops[i] = e.Digest
		}
		return a.printTreeDiff(ctx, st, tops[0], tops[1])
	})
}

// A fileChange is what `store diff` prints of a path.
type fileChange struct {
	Path string      `json:"path"`
	Old  *listedFile `json:"old"`
	New  *listedFile `json:"new"`
}

func (a *app) printTreeDiff(ctx context.Context, st *localstore.Store, old, new store.Digest) error {
	changes := []fileChange{}
	err := tree.Diff(ctx, st, old, new, func(c tree.Change) error {
		change := fileChange{Path: c.Path}
		for _, side := range []struct {
			e  *tree.Entry
			to **listedFile
		}{{c.Old, &change.Old}, {c.New, &change.New}} {
			if side.e != nil {
				f := listed(c.Path, side.e)
				*side.to = &f
			}
		}
		changes = append(changes, change)
		return nil
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(changes)
	}
	if len(changes) == 0 {
		a.say("No differences.")
	}
	return a.printLines(func(w io.Writer) {
		for _, c := range changes {
			switch {
			case c.Old == nil:
				fmt.Fprintf(w, "+ %s\n", c.New)
			case c.New == nil:
				fmt.Fprintf(w, "- %s\n", c.Old)
			default:
				fmt.Fprintf(w, "~ %s\n  %s\n", c.Old, c.New)
			}
		}
	})
}
