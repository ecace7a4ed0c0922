package debiantest

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Programs are what a root needs to run maintainer scripts and dpkg.
var Programs = []string{
	"sh", "dpkg", "dpkg-deb", "dpkg-divert", "dpkg-query", "dpkg-split", "dpkg-statoverride", "dpkg-trigger",
	"update-alternatives", "start-stop-daemon", "ldconfig", "tar", "diff", "cat", "chgrp", "chmod", "chown", "cp",
	"cut", "date", "dirname", "env", "find", "flock", "grep", "head", "id", "install", "ln", "ls", "mkdir", "mktemp", "mv", "readlink",
	"rm", "rmdir", "sed", "sleep", "sort", "stat", "tail", "touch", "tr", "true", "uname", "xargs",
}

// Tools makes an essential package named base-files out of this machine's own
// programs and the libraries that they need, laid out as a Debian root with
// merged /usr and the accounts that Debian always has. It fails when a program
// is not there, as on a machine that is not a Debian.
func Tools(architecture string, programs []string) (*Package, error) {
	t := &tools{files: map[string]File{}}
	for _, name := range programs {
		found, err := lookProgram(name)
		if err != nil {
			return nil, fmt.Errorf("collect tools: %v", err)
		}
		if err := t.add(found); err != nil {
			return nil, fmt.Errorf("collect tools: %v", err)
		}
	}
	p := &Package{Plain: true, Control: fmt.Sprintf("Package: base-files\nVersion: 1\nArchitecture: %s\nEssential: yes\n"+
		"Priority: required\nMaintainer: nobody <nobody@example.org>\nDescription: tools of a test root\n", architecture)}
	for _, f := range t.files {
		p.Files = append(p.Files, f)
	}
	p.Files = append(p.Files, skeleton()...)
	slices.SortFunc(p.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return p, nil
}

// lookProgram finds a program in the directories that a root's PATH has, the
// user's own PATH may leave the sbin ones out.
func lookProgram(name string) (string, error) {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("no program %q in /usr/bin, /bin, /usr/sbin, /sbin", name)
}

func skeleton() []File {
	files := []File{
		{Path: "tmp", Mode: fs.ModeDir | 0o777}, {Path: "run", Mode: fs.ModeDir | 0o755},
		{Path: "root", Mode: fs.ModeDir | 0o700}, {Path: "home", Mode: fs.ModeDir | 0o755},
		{Path: "proc", Mode: fs.ModeDir | 0o755}, {Path: "dev", Mode: fs.ModeDir | 0o755},
		{Path: "sys", Mode: fs.ModeDir | 0o755}, {Path: "var/lib", Mode: fs.ModeDir | 0o755},
		{Path: "var/cache", Mode: fs.ModeDir | 0o755}, {Path: "var/log", Mode: fs.ModeDir | 0o755},
		{Path: "usr/sbin", Mode: fs.ModeDir | 0o755},
		{Path: "etc/passwd", Mode: 0o644, Content: []byte("root:x:0:0:root:/root:/bin/sh\nmail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n")},
		{Path: "etc/group", Mode: 0o644, Content: []byte("root:x:0:\nmail:x:8:\nshadow:x:42:\n")},
		{Path: "etc/shadow", Mode: 0o640, GID: 42, Content: []byte("root:*:1::::::\nmail:*:1::::::\n")},
		{Path: "etc/gshadow", Mode: 0o640, GID: 42, Content: []byte("root:*::\nmail:*::\nshadow:*::\n")},
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		files = append(files, File{Path: dir, Mode: fs.ModeSymlink | 0o777, Target: "usr/" + dir})
	}
	return files
}

type tools struct{ files map[string]File }

// add takes one file of this machine with everything that it needs to run:
// where its symbolic links lead, its interpreter and its libraries.
func (t *tools) add(name string) error {
	inRoot := merged(name)
	if _, have := t.files[inRoot]; have {
		return nil
	}
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return t.addLink(name, inRoot)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	t.files[inRoot] = File{Path: inRoot, Mode: 0o755, Content: content}
	return t.addNeeded(name)
}

func (t *tools) addLink(name, inRoot string) error {
	target, err := os.Readlink(name)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(name), target)
	}
	real, err := filepath.EvalSymlinks(target)
	if err != nil {
		return err
	}
	if merged(real) == inRoot {
		return t.add(real)
	}
	t.files[inRoot] = File{Path: inRoot, Mode: fs.ModeSymlink | 0o777, Target: "/" + merged(real)}
	return t.add(real)
}

func (t *tools) addNeeded(name string) error {
	program, err := elf.Open(name)
	if err != nil {
		return nil // a script: its interpreter is named by Programs
	}
	defer program.Close()
	if section := program.Section(".interp"); section != nil {
		interp, err := section.Data()
		if err != nil {
			return err
		}
		if err := t.add(strings.TrimRight(string(interp), "\x00")); err != nil {
			return err
		}
	}
	libraries, err := program.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, library := range libraries {
		found, err := lookLibrary(library)
		if err != nil {
			return err
		}
		if err := t.add(found); err != nil {
			return err
		}
	}
	return nil
}

func lookLibrary(name string) (string, error) {
	for _, pattern := range []string{"/lib/*-linux-gnu/", "/usr/lib/*-linux-gnu/", "/lib64/", "/usr/lib64/", "/lib/", "/usr/lib/"} {
		found, err := filepath.Glob(pattern + name)
		if err == nil && len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("no library %q in the usual directories", name)
}

// merged returns where a path of this machine stands in a root with merged
// /usr, relative to the root.
func merged(name string) string {
	name = strings.TrimPrefix(path.Clean(filepath.ToSlash(name)), "/")
	top, _, _ := strings.Cut(name, "/")
	switch top {
	case "bin", "sbin", "lib", "lib64":
		return "usr/" + name
	}
	return name
}
