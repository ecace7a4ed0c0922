package dpkg

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/tree"
)

// adminDir is where dpkg's database is. It stays an ordinary path below /var:
// scripts and dpkg look for it there.
const adminDir = "var/lib/dpkg"

// stageDir is what [ConfigureScript] finds its work in. It takes it away.
const stageDir = adminDir + "/sysc"

// writeDatabase adds dpkg's database to a merged root.
func writeDatabase(ctx context.Context, st builtin.Store, architectures []string, m *merged, packages []*pkg) (store.Digest, error) {
	w := &writer{ctx: ctx, st: st, b: tree.NewBuilder(st, m.tree)}
	for _, dir := range []string{"alternatives", "info", "parts", "triggers", "updates"} {
		w.mkdir(adminDir + "/" + dir)
	}
	for _, name := range []string{"available", "diversions", "statoverride"} {
		w.text(adminDir+"/"+name, "", 0o644)
	}
	w.text(adminDir+"/arch", strings.Join(architectures, "\n")+"\n", 0o644)
	w.text(adminDir+"/info/format", "1\n", 0o644)
	w.text(adminDir+"/status", string(statusFile(packages)), 0o644)
	for _, p := range packages {
		w.info(p)
	}
	triggers, err := triggerFiles(packages)
	if err != nil {
		return store.Digest{}, err
	}
	for name, text := range triggers {
		w.text(adminDir+"/triggers/"+name, text, 0o644)
	}
	w.stage(m.staged, packages)
	if w.err != nil {
		return store.Digest{}, w.err
	}
	digest, _, err := w.b.Write(ctx, st)
	return digest, err
}

// A writer puts files into a tree until something fails.
type writer struct {
	ctx context.Context
	st  builtin.Store
	b   *tree.Builder
	err error
}

func (w *writer) put(path string, e tree.Entry) {
	if w.err == nil {
		w.err = w.b.Put(w.ctx, path, e)
	}
}

func (w *writer) text(path, text string, mode uint32) {
	if w.err != nil {
		return
	}
	var e tree.Entry
	if e, w.err = addText(w.ctx, w.st, []byte(text), mode); w.err == nil {
		w.put(path, e)
	}
}

// mkdir makes a directory unless it is there.
func (w *writer) mkdir(path string) {
	if w.err != nil {
		return
	}
	_, ok, err := w.b.Get(w.ctx, path)
	if w.err = err; err == nil && !ok {
		w.err = w.b.Mkdir(w.ctx, path, tree.Entry{Type: tree.Dir, Mode: 0o755})
	}
}

// info puts a package's files into the info directory: its list, its md5sums,
// and all control members but the control file itself, which is in the status.
func (w *writer) info(p *pkg) {
	prefix := adminDir + "/info/" + p.infoName() + "."
	for _, e := range p.members {
		if e.Type != tree.File || e.Name == "control" || strings.ContainsAny(e.Name, ".:") {
			continue
		}
		e.UID, e.GID, e.Xattrs = 0, 0, nil
		w.put(prefix+e.Name, e)
	}
	w.put(prefix+"list", p.list)
	if _, ok := p.member("md5sums"); !ok {
		w.put(prefix+"md5sums", p.md5sums)
	}
}

// stage leaves the configure script's work: "preinst" has a line
// "INFO-NAME PACKAGE ARCHITECTURE VERSION" for each preinst to run, in order, "staged" a
// line "NUMBER PACKAGE PATH" for each file that waits for a diversion, and the
// file NUMBER beside it.
func (w *writer) stage(files []staged, packages []*pkg) {
	var preinst, list bytes.Buffer
	for _, p := range preinstOrder(packages) {
		fmt.Fprintf(&preinst, "%s %s %s %s\n", p.infoName(), p.name, p.architecture, p.version)
	}
	for i, s := range files {
		if strings.ContainsAny(s.path, "\n") && w.err == nil {
			w.err = fmt.Errorf("path %q has a line end in it", s.path)
		}
		fmt.Fprintf(&list, "%d %s %s\n", i, s.pkg, s.path)
		w.put(fmt.Sprintf("%s/%d", stageDir, i), s.entry)
	}
	w.text(stageDir+"/preinst", preinst.String(), 0o644)
	w.text(stageDir+"/staged", list.String(), 0o644)
}

// preinstOrder returns the packages that have a preinst, base-passwd first: it
// makes /etc/passwd and /etc/group, which the others use.
func preinstOrder(packages []*pkg) []*pkg {
	var with []*pkg
	for _, p := range packages {
		if _, ok := p.member("preinst"); ok {
			with = append(with, p)
		}
	}
	if i := slices.IndexFunc(with, func(p *pkg) bool { return p.name == "base-passwd" }); i > 0 {
		first := with[i]
		copy(with[1:i+1], with[:i])
		with[0] = first
	}
	return with
}
