package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sysc/internal/atomicfile"
	"sysc/lang/diag"
	"sysc/lang/format"
	"sysc/lang/syntax"
	"sysc/modules/source"
)

// A formatter is one run of fmt.
type formatter struct {
	app *app

	check, diff, list, write, recursive bool

	changed []string // names of files that have, or had, another layout
	diags   diag.List
	files   map[string][]byte // of diags
}

func (a *app) fmtCommand() *cobra.Command {
	f := &formatter{app: a, files: map[string][]byte{}}
	cmd := &cobra.Command{
		Use:   "fmt [PATH...]",
		Short: "Write definitions in the standard layout",
		Long: `Rewrite files of a definition in the standard layout, and list those that changed.
A PATH is a file, or a directory, of which all ` + syntax.Extension + ` files are meant; - is standard
input, whose layout goes to standard output. The default is the directory of the
definition. What a file says does not change; one that cannot be parsed is left
alone, and so are files in the JSON syntax.`,
		Example: "  sysc fmt\n" +
			"  sysc fmt --check --diff --recursive   # 3 when something would change\n" +
			"  sysc fmt - < draft.sysc.hcl",
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.check, "check", false, "write nothing, and end with 3 when a file has another layout")
	flags.BoolVar(&f.diff, "diff", false, "show what changes")
	flags.BoolVar(&f.list, "list", true, "list the files that change")
	flags.BoolVar(&f.write, "write", true, "write the files")
	flags.BoolVarP(&f.recursive, "recursive", "r", false, "format the directories below as well")
	return cmd
}

func (f *formatter) run(paths []string) error {
	f.write = f.write && !f.check
	if len(paths) == 0 {
		paths = []string{f.app.dir}
	}
	for _, path := range paths {
		if path == "-" {
			if len(paths) > 1 {
				return errors.New("format -: standard input goes with no other path")
			}
			return errors.Join(f.stdin(), f.result())
		}
		if err := f.path(filepath.Clean(path)); err != nil {
			return err
		}
	}
	return f.result()
}

// result prints what there is to say at the end.
func (f *formatter) result() error {
	if f.app.json {
		if err := f.app.printJSON(struct {
			FormatVersion string                `json:"format_version"`
			Changed       []string              `json:"changed"`
			Written       bool                  `json:"written"`
			Diagnostics   []diag.JSONDiagnostic `json:"diagnostics"`
		}{"1.0", list(f.changed), f.write && len(f.changed) > 0, diag.JSON(f.diags, f.files)}); err != nil {
			return err
		}
		if err := errDiagnostics(f.diags); err != nil {
			return err
		}
	} else if err := f.app.diagnose(f.diags, f.files); err != nil {
		return err
	}
	if f.check && len(f.changed) > 0 {
		return &exitCode{code: exitFormat}
	}
	return nil
}

// stdin formats standard input.
func (f *formatter) stdin() error {
	const name = "<stdin>"
	if f.app.in == nil {
		return errors.New("format -: there is no standard input")
	}
	src, err := io.ReadAll(io.LimitReader(f.app.in, syntax.MaxFileSize+1))
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	out, ok := f.layout(src, name)
	if !ok {
		return nil
	}
	if !bytes.Equal(src, out) {
		f.changed = append(f.changed, name)
	}
	switch {
	case f.app.json:
	case f.diff:
		_, err = f.app.out.Write(diff.Diff("old/"+name, src, "new/"+name, out))
	case !f.check:
		_, err = f.app.out.Write(out)
	}
	return err
}

// path formats a file, or those of a directory.
func (f *formatter) path(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("format: %w", err)
	case info.IsDir():
		return f.directory(path)
	case strings.HasSuffix(path, ".json"):
		return fmt.Errorf("format %s: files in the JSON syntax are what a program wrote, and stay as they are", path)
	}
	return f.file(path)
}

// directory formats the files of a directory. A symbolic link is no file of it:
// what it leads to is formatted where it stands. Copies of other people's modules stay
// what they are.
func (f *formatter) directory(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."), e.Name() == source.VendorDir:
		case e.IsDir() && f.recursive:
			err = f.directory(path)
		case e.Type().IsRegular() && strings.HasSuffix(e.Name(), syntax.Extension):
			err = f.file(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file formats one file. Where path is a symbolic link, the file that it leads to.
func (f *formatter) file(path string) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	src, info, err := readSource(target)
	if err != nil {
		return fmt.Errorf("format %s: %w", path, err)
	}
	out, ok := f.layout(src, path)
	if !ok || bytes.Equal(src, out) {
		return nil
	}
	f.changed = append(f.changed, path)
	if f.write {
		if err := replaceFile(target, out, info); err != nil {
			return err
		}
	}
	if f.app.json {
		return nil
	}
	if f.list {
		fmt.Fprintln(f.app.out, path)
	}
	if f.diff {
		return f.printDiff(diff.Diff("old/"+path, src, "new/"+path, out))
	}
	return nil
}

// layout returns the layout of a text. ok is false when it has none; the reason is
// noted.
func (f *formatter) layout(src []byte, name string) (out []byte, ok bool) {
	out, diags := format.Source(src, name)
	f.diags = append(f.diags, diags...)
	if len(diags) > 0 {
		f.files[name] = src
	}
	return out, !diags.HasErrors()
}

// printDiff prints a unified diff, in colours on a terminal.
func (f *formatter) printDiff(text []byte) error {
	if f.app.colour(f.app.out) {
		text = colourDiff(text)
	}
	_, err := f.app.out.Write(text)
	return err
}

// colourDiff colours a unified diff as git does.
func colourDiff(text []byte) []byte {
	const bold, red, green, cyan, reset = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[m"
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		colour := ""
		switch {
		case bytes.HasPrefix(line, []byte("diff ")), bytes.HasPrefix(line, []byte("--- ")), bytes.HasPrefix(line, []byte("+++ ")):
			colour = bold
		case line[0] == '-':
			colour = red
		case line[0] == '+':
			colour = green
		case line[0] == '@':
			colour = cyan
		}
		if colour == "" {
			out.Write(line)
			continue
		}
		out.WriteString(colour + string(bytes.TrimSuffix(line, []byte("\n"))) + reset + "\n")
	}
	return out.Bytes()
}

// readSource reads a regular file that may be as large as definitions are.
func readSource(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("not a regular file")
	}
	src, err := io.ReadAll(io.LimitReader(f, syntax.MaxFileSize+1))
	return src, info, err
}

// replaceFile replaces a file by another of the same mode and owner.
func replaceFile(path string, data []byte, old fs.FileInfo) error {
	return atomicfile.Write(path, old.Mode().Perm(), func(w *os.File) error {
		if err := keepOwner(w, old); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	})
}

// keepOwner gives a new file the owner of the one that it replaces, as far as the
// user may do that.
func keepOwner(w io.Writer, old fs.FileInfo) error {
	file, ok := w.(*os.File)
	want, known := old.Sys().(*syscall.Stat_t)
	if !ok || !known {
		return nil
	}
	if err := file.Chown(int(want.Uid), int(want.Gid)); !errors.Is(err, syscall.EPERM) {
		return err
	}
	return nil
}
