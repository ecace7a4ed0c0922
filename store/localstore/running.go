package localstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"

	"sysc/internal/mountinfo"
	"sysc/store"
)

// A Process uses an object without having the store open: it runs from it, say.
type Process struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	// By says where the object was found, by the names of proc(5): exe, cwd, root,
	// fd, maps, mountinfo, or environ.
	By string `json:"by"`
}

// Running returns a root for each object that a process uses, once per process,
// sorted by process and path. Only what this process may look at is seen: as an
// ordinary user, the processes of that user in the same or an inner container. A
// logical path counts only where it is the physical one, too: elsewhere it is seen in
// builds alone, whose sessions keep the object.
func (s *Store) Running(ctx context.Context) ([]Root, error) {
	roots, err := s.running(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for running processes: %w", err)
	}
	return roots, nil
}

func (s *Store) running(ctx context.Context) ([]Root, error) {
	// To look at every process takes longer than to see that there are no objects.
	some, err := s.query(ctx, `SELECT path FROM object LIMIT 1`)
	if err != nil || len(some) == 0 {
		return nil, err
	}
	uses, err := s.findUses(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := json.Marshal(slices.Collect(maps.Keys(uses)))
	if err != nil {
		return nil, err
	}
	const query = `SELECT path FROM object WHERE substr(path, 1, 32) IN (SELECT value FROM json_each(?)) ORDER BY path`
	paths, err := s.query(ctx, query, string(ids))
	if err != nil {
		return nil, err
	}
	var roots []Root
	for _, p := range paths {
		for _, process := range uses[p.ID()] {
			roots = append(roots, Root{Path: p, Process: process})
		}
	}
	slices.SortStableFunc(roots, func(a, b Root) int { return cmp.Compare(a.Process.PID, b.Process.PID) })
	return roots, nil
}

func (s *Store) query(ctx context.Context, query string, args ...any) (paths []store.Path, err error) {
	err = s.db.do(ctx, func(conn *sqlite.Conn) error {
		paths, err = queryPaths(conn, query, args...)
		return err
	})
	return paths, err
}

// uses are the processes that use objects, by id.
type uses map[string][]*Process

// findUses looks through the files of proc(5).
func (s *Store) findUses(ctx context.Context) (uses, error) {
	entries, err := os.ReadDir("/proc")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	scan := processScan{dirs: s.objectDirs(), namespaces: map[string]bool{}}
	found := uses{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		scan.dir, scan.found = "/proc/"+e.Name(), map[string]string{}
		if err := scan.process(); err != nil {
			return nil, err
		}
		name := scan.name()
		for id, by := range scan.found {
			found[id] = append(found[id], &Process{PID: pid, Name: name, By: by})
		}
	}
	return found, nil
}

// objectDirs returns the paths of the directory that objects are in, with a slash at
// the end: by the name that the store was opened by, and without symbolic links, as
// the kernel knows it.
func (s *Store) objectDirs() []string {
	dirs := []string{s.path("store") + "/"}
	if path, err := filepath.EvalSymlinks(s.path("store")); err == nil && path != s.path("store") {
		dirs = append(dirs, path+"/")
	}
	return dirs
}

// A processScan looks for objects in the files of one process after the other.
type processScan struct {
	dirs       []string
	namespaces map[string]bool // of mounts, that were looked into: many processes share one

	dir   string
	found map[string]string // what an id was found in first
}

// process reads what is most telling first.
func (p *processScan) process() error {
	for _, name := range []string{"exe", "cwd", "root"} {
		if err := p.link(name, name); err != nil {
			return err
		}
	}
	descriptors, err := os.ReadDir(p.dir + "/fd")
	if ignoreHidden(err) != nil {
		return err
	}
	for _, d := range descriptors {
		if err := p.link("fd/"+d.Name(), "fd"); err != nil {
			return err
		}
	}
	maps, err := os.ReadFile(p.dir + "/maps")
	if ignoreHidden(err) != nil {
		return err
	}
	p.maps(maps)
	environ, err := os.ReadFile(p.dir + "/environ")
	if ignoreHidden(err) != nil {
		return err
	}
	p.text(environ, "environ")
	return p.mounts()
}

func (p *processScan) link(name, by string) error {
	target, err := os.Readlink(p.dir + "/" + name)
	p.text([]byte(target), by)
	return ignoreHidden(err)
}

// text notes what stands in text behind the path of the objects' directory.
func (p *processScan) text(text []byte, by string) {
	for _, dir := range p.dirs {
		p.behind(text, []byte(dir), by)
	}
}

// maps is text for a file where the kernel writes newlines as \012.
func (p *processScan) maps(text []byte) {
	for _, dir := range p.dirs {
		p.behind(text, []byte(strings.ReplaceAll(dir, "\n", `\012`)), "maps")
	}
}

func (p *processScan) behind(text, dir []byte, by string) {
	for {
		at := bytes.Index(text, dir)
		if at < 0 {
			return
		}
		text = text[at+len(dir):]
		p.note(text, by)
	}
}

// note notes the id that text begins with, if it does.
func (p *processScan) note(text []byte, by string) {
	if len(text) <= store.IDLen || text[store.IDLen] != '-' {
		return
	}
	path, err := store.MakePath(string(text[:store.IDLen]), "name")
	if err != nil {
		return
	}
	if _, ok := p.found[path.ID()]; !ok {
		p.found[path.ID()] = by
	}
}

// mounts looks for objects that are mounted elsewhere, as for a service that sees
// nothing but its own: no other file of its processes names the object.
func (p *processScan) mounts() error {
	namespace, err := os.Readlink(p.dir + "/ns/mnt")
	if err != nil || p.namespaces[namespace] {
		return ignoreHidden(err)
	}
	text, err := os.ReadFile(p.dir + "/mountinfo")
	if err != nil {
		return ignoreHidden(err)
	}
	mounts, err := mountinfo.Parse(string(text))
	if err != nil {
		return err
	}
	p.namespaces[namespace] = true
	for _, m := range mounts {
		p.mounted(m.Root)
	}
	return nil
}

// mounted notes the object that a mount shows. Its path is the one in its file system,
// of which the store's is the end, or the other way round.
func (p *processScan) mounted(path string) {
	const below = "/store/"
	at := strings.LastIndex(path, below)
	if at < 0 {
		return
	}
	top := path[:at+len(below)]
	isOurs := func(dir string) bool { return strings.HasSuffix(dir, top) || strings.HasSuffix(top, dir) }
	if slices.ContainsFunc(p.dirs, isOurs) {
		p.note([]byte(path[len(top):]), "mountinfo")
	}
}

// name is what the process is called; empty when it has ended.
func (p *processScan) name() string {
	name, _ := os.ReadFile(p.dir + "/comm") // for messages only
	return strings.TrimSpace(string(name))
}

// ignoreHidden passes over what belongs to somebody else, or has ended: mounts of
// the dead are EINVAL.
func ignoreHidden(err error) error {
	for _, hidden := range []error{fs.ErrNotExist, fs.ErrPermission, unix.ESRCH, unix.EINVAL} {
		if errors.Is(err, hidden) {
			return nil
		}
	}
	return err
}
