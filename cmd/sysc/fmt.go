package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"sysc/internal/atomicfile"
	"sysc/lang/syntax"
)

func (a *app) fmtCommand() *cobra.Command {
	f := formatter{app: a}
	cmd := &cobra.Command{
		Use:   "fmt [PATH…]",
		Short: "Write definition files in the canonical style",
		Long: `Write definition files in the canonical style: two spaces for each level, equals
signs of neighbouring lines below one another. Only blanks and line ends change.

A PATH is a file, a directory (default: the one of -C), or - for standard input,
which is written to standard output. Files that change are listed. A file that is no
definition is left alone, and the exit code is 1.`,
		Example: "  sysc fmt\n  sysc fmt --check --diff --recursive modules\n  sysc fmt - < draft.sysc.hcl",
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	cmd.Flags().BoolVar(&f.check, "check", false, "change nothing; exit with 3 when a file is not in the style")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "show what changes")
	cmd.Flags().BoolVarP(&f.recursive, "recursive", "r", false, "go into directories below as well")
	cmd.Flags().BoolVar(&f.write, "write", true, "change the files")
	return cmd
}

// A formatter is one run of sysc fmt.
type formatter struct {
	app              *app
	check, diff      bool
	recursive, write bool

	changed int
	errs    []error
}

func (f *formatter) run(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		paths = []string{f.app.dir}
	}
	for _, path := range paths {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f.path(path); err != nil {
			return err
		}
	}
	if err := errors.Join(f.errs...); err != nil {
		return err
	}
	if f.check && f.changed > 0 {
		return &exitCode{code: exitFormat}
	}
	return nil
}

// path formats what an argument names.
func (f *formatter) path(path string) error {
	if path == "-" {
		return f.stdin()
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return f.file(path)
	}
	files, err := f.files(path)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := f.file(file); err != nil {
			return err
		}
	}
	return nil
}

// files returns the definition files of a directory, sorted. Hidden ones and those
// in hidden directories are somebody else's, and links to directories may lead
// anywhere.
func (f *formatter) files(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && path != dir
		switch {
		case d.IsDir() && path != dir && (hidden || !f.recursive):
			return filepath.SkipDir
		case !d.IsDir() && !hidden && strings.HasSuffix(d.Name(), syntax.Extension):
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// stdin formats a text on its way through.
func (f *formatter) stdin() error {
	if f.app.in == nil {
		return errors.New("there is no standard input")
	}
	src, err := io.ReadAll(io.LimitReader(f.app.in, syntax.MaxFileSize+1))
	if err != nil {
		return err
	}
	const name = "<standard input>"
	out, diags := syntax.Format(src, name)
	if err := f.app.diagnose(diags, map[string][]byte{name: src}); err != nil {
		return err
	}
	switch {
	case !f.check && !f.diff:
		_, err = f.app.out.Write(out)
		return err
	case !bytes.Equal(src, out):
		f.changed++
		f.show(name, src, out)
	}
	return nil
}

// file formats one file. What is wrong with it is shown, and the others are
// formatted all the same.
func (f *formatter) file(path string) error {
	real, err := filepath.EvalSymlinks(path) // the file changes, not the link
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("format %s: it is not a regular file", path)
	}
	src, err := os.ReadFile(real)
	if err != nil {
		return err
	}
	out, diags := syntax.Format(src, path)
	if err := f.app.diagnose(diags, map[string][]byte{path: src}); err != nil {
		f.errs = append(f.errs, err)
		return nil
	}
	if bytes.Equal(src, out) {
		return nil
	}
	f.changed++
	fmt.Fprintln(f.app.out, path)
	f.show(path, src, out)
	if f.check || !f.write {
		return nil
	}
	return atomicfile.WriteFile(real, out, info.Mode().Perm())
}

// show prints what changes, when that is wanted.
func (f *formatter) show(name string, old, new []byte) {
	if f.diff {
		f.app.out.Write(diff.Diff("old/"+name, old, "new/"+name, new))
	}
}
