package modules

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"sysc/derivations"
	"sysc/internal/readlog"
	"sysc/internal/varint"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/evalcache"
	"sysc/store"
	"sysc/systems"
)

// A Memory remembers what definitions gave. A nil one remembers nothing.
type Memory struct {
	// Cache is where evaluations are kept.
	Cache *evalcache.Cache
	// Program identifies this program: another one may evaluate in another way.
	Program string
}

// An Answer is what was wanted of a definition, evaluated or remembered.
type Answer struct {
	// Targets are in the order of the request.
	Targets []Target
	// Shown are the diagnostics, in the lists and the order in which they are to be
	// shown. When there are errors among them, there are no targets.
	Shown []diag.List
	// Remembered is set when nothing was evaluated, and nothing parsed; Partly, when of
	// the derivations only those were that a change affects.
	Remembered, Partly bool
	// revised is set when of what was there before nothing was done once more.
	revised bool
	// Kept is why the evaluation could not be remembered, nil when it was, or when it
	// is not to be. It is no reason to fail.
	Kept error

	dir      string
	graph    *derivations.Graph
	files    map[string][]byte
	archives []archive
	diags    diag.List // of archives
	given    given
	caches   lang.CacheSettings
}

// given is what [Project.Given] returns.
type given struct {
	values    map[string]json.RawMessage
	sensitive []string
	diags     diag.List
}

// Dir is the directory of the definition, as the caller named it.
func (a *Answer) Dir() string { return a.dir }

// Graph is where the derivations are.
func (a *Answer) Graph() *derivations.Graph { return a.graph }

// Files are the texts that the diagnostics are about, by the names that they use.
func (a *Answer) Files() map[string][]byte { return a.files }

// Mirrors is [Project.Mirrors].
func (a *Answer) Mirrors(env func(string) string, hostRoot string) (Mirrors, diag.List) {
	return mirrorsOf(a.archives, env, hostRoot), a.diags
}

// Caches is [Project.Caches].
func (a *Answer) Caches() lang.CacheSettings { return a.caches }

// Given is [Project.Given].
func (a *Answer) Given() (values map[string]json.RawMessage, sensitive []string, diags diag.List) {
	return a.given.values, a.given.sensitive, a.given.diags
}

// Evaluate finds what is wanted of the definition in a directory. When it was found
// before and everything that was read then is as it was, the answer is the one that
// was given then, and nothing is parsed.
//
// The answer is never nil. Errors of the definition are among what is shown; err is
// for everything else.
func (m *Memory) Evaluate(ctx context.Context, dir string, opts *Options, r Request) (*Answer, error) {
	options := Options{}
	if opts != nil {
		options = *opts
	}
	if m == nil || !options.told() {
		a, _, err := answerOf(ctx, dir, options, r)
		return a, err
	}
	key, err := m.key(dir, &options, r)
	if err != nil {
		// The directory where this program runs is gone, which only matters to names that
		// begin there.
		a, _, err := answerOf(ctx, dir, options, r)
		return a, err
	}
	found, recallErr := m.recall(key, dir, &options)
	if found.answer != nil {
		return found.answer, nil
	}
	if a := m.partly(ctx, key, dir, options, r, found); a != nil {
		return a, nil
	}
	options.Reads = readlog.After(found.reads)
	options.trace = eval.NewTrace(false)
	a, p, err := answerOf(ctx, dir, options, r)
	if err == nil && p != nil {
		a.Kept = errors.Join(recallErr, m.remember(key, a, p))
	}
	return a, err
}

// answerOf evaluates. The project is nil when there were errors.
func answerOf(ctx context.Context, dir string, opts Options, r Request) (*Answer, *Project, error) {
	p, diags := Load(ctx, dir, &opts)
	return p.answer(ctx, diags, r)
}

// answer finds what is wanted of a project that was loaded with diags.
func (p *Project) answer(ctx context.Context, diags diag.List, r Request) (*Answer, *Project, error) {
	s := &seeker{p: p, host: r.Host, user: r.User}
	err := s.show(diags)
	a := &Answer{dir: p.dir}
	if err == nil {
		a.Targets, err = s.seek(ctx, r)
		a.graph = p.Graph()
		if err == nil {
			a.archives, a.diags = p.archives()
			a.caches = p.Caches()
			a.given.values, a.given.sensitive, a.given.diags = p.Given()
		}
	}
	a.Shown, a.files = s.shown, p.Files()
	switch {
	case errors.Is(err, errDiagnosed):
		a.Targets = nil
		return a, nil, nil
	case err != nil:
		return a, nil, err
	}
	return a, p, nil
}

// told reports whether all that decides is in what is hashed: files by their texts,
// and values that are written.
func (o *Options) told() bool {
	for _, v := range o.Variables {
		if _, ok := o.ValueFiles[v.Range.Filename]; !ok && (v.Expr != nil || v.Value != nil) {
			return false
		}
	}
	return o.Texts == nil
}

// key hashes what is known before anything is read.
func (m *Memory) key(dir string, o *Options, r Request) (evalcache.Key, error) {
	here, err := filepath.Abs(".")
	if err != nil {
		return evalcache.Key{}, err
	}
	type variable struct{ Name, Source, Text, Range string }
	k := struct {
		Format, Program, Here, Dir, Version, Platform, Host, User, Want string
		Names                                                           []string
		Variables                                                       []variable
		ValueFiles                                                      map[string]store.Digest
		Trees                                                           map[string]string
		Overrides                                                       map[string]string
	}{
		Format: memoVersion, Program: m.Program, Here: here, Dir: dir, Version: o.Version, Platform: o.Platform, Host: r.Host, User: r.User,
		Want: strconv.Itoa(int(r.Want)), Names: r.Names,
		ValueFiles: map[string]store.Digest{}, Trees: map[string]string{}, Overrides: o.Overrides,
	}
	for _, name := range sortedKeys(o.Variables) {
		if v := o.Variables[name]; !v.Ambient {
			k.Variables = append(k.Variables, variable{name, v.Source, v.Text, v.Range.String()})
		}
	}
	for name, text := range o.ValueFiles {
		k.ValueFiles[name] = store.DigestOf(text)
	}
	for digest, dir := range o.Trees {
		k.Trees[digest.String()] = dir
	}
	// Quoted, so that texts that are not UTF-8 differ, too; maps are sorted.
	return sha256.Sum256(fmt.Appendf(nil, "%q", k)), nil
}

// memoVersion is that of memo, and of what stands before and behind it.
const memoVersion = "5"

// A memo is what is kept beside the graph.
type memo struct {
	Targets  []memoTarget      `json:"targets"`
	Shown    []diag.List       `json:"shown,omitempty"`
	Files    map[string][]byte `json:"files,omitempty"`
	Archives []archive         `json:"archives,omitempty"`
	// Caches and TrustedKeys are lang.CacheSettings.
	Caches      []string `json:"caches,omitempty"`
	TrustedKeys []string `json:"trusted_keys,omitempty"`
	LockDigest  string   `json:"lock_digest,omitempty"`
	// Given are values of variables; sensitive ones are not remembered.
	Given map[string]json.RawMessage `json:"given,omitempty"`
}

type memoTarget struct {
	Label  string              `json:"label"`
	Ref    memoRef             `json:"ref"`
	Shell  *memoRef            `json:"shell,omitempty"`
	Root   *memoRef            `json:"root,omitempty"` // of the system
	System *systems.Definition `json:"system,omitempty"`
}

// A memoRef is an output: the position of its derivation in the graph, and its name.
type memoRef struct {
	At     int    `json:"at"`
	Output string `json:"output"`
}

// remember keeps an answer, unless what was read forbids it.
func (m *Memory) remember(key evalcache.Key, a *Answer, p *Project) error {
	if p.opts.Reads.Spoiled() != "" || len(a.diags)+len(a.given.sensitive)+len(a.given.diags) > 0 {
		return nil
	}
	about, err := written(a, p)
	if err != nil {
		return fmt.Errorf("remember an evaluation: %w", err)
	}
	// All of the graph: a derivation that no target needs may have been looked at.
	graph := a.graph.SnapshotAll()
	var kept []byte
	if parts := p.parts(); parts != nil && len(a.Shown) == 0 {
		kept = parts.encode(a.graph.Position)
	}
	// What encoding/json writes for bytes that are not UTF-8, as names of files may be.
	if bytes.Contains(about, []byte(`\ufffd`)) {
		return errors.New("remember an evaluation: it has texts that are not UTF-8")
	}
	return m.keep(key, p.opts.Reads, string(about), kept, graph)
}

// keep keeps what [Memory.recall] reads.
func (m *Memory) keep(key evalcache.Key, reads *readlog.Log, about string, parts, graph []byte) error {
	head := varint.AppendText(nil, string(reads.Append(nil)))
	head = varint.AppendText(head, about)
	head = binary.AppendUvarint(head, uint64(len(parts)))
	return m.Cache.Put(key, head, parts, graph)
}

// written writes an answer down, for [Options.answer].
func written(a *Answer, p *Project) ([]byte, error) {
	kept := memo{Shown: a.Shown, Files: filesOf(a.Shown, a.files), Archives: slices.Clone(a.archives), LockDigest: p.lockDigest, Given: a.given.values, Caches: a.caches.Addresses, TrustedKeys: a.caches.Keys}
	for i := range kept.Archives {
		if keyring := &kept.Archives[i].Settings.Keyring; len(*keyring) > 0 {
			*keyring = []byte("own") // no mirror depends on what is in it
		}
	}
	for _, t := range a.Targets {
		kept.Targets = append(kept.Targets, memoOf(t, a.graph.Position))
	}
	return json.Marshal(kept)
}

// memoOf writes a target down; position tells those of derivations.
func memoOf(t Target, position func(derivations.Hash) (int, bool)) memoTarget {
	note := func(r derivations.Ref) memoRef {
		at, _ := position(r.Derivation)
		return memoRef{at, r.Output}
	}
	mt := memoTarget{Label: t.Label, Ref: note(t.Ref)}
	if t.Shell != nil {
		shell := note(*t.Shell)
		mt.Shell = &shell
	}
	if t.System != nil {
		def := *t.System
		root := note(def.Root)
		mt.Root = &root
		def.Root, def.Provenance = derivations.Ref{}, systems.Provenance{}
		mt.System = &def
	}
	return mt
}

// filesOf returns the texts that diagnostics name places in.
func filesOf(shown []diag.List, files map[string][]byte) map[string][]byte {
	out := map[string][]byte{}
	add := func(r *diag.Range) {
		if r != nil {
			if text, ok := files[r.Filename]; ok {
				out[r.Filename] = text
			}
		}
	}
	for _, list := range shown {
		for _, d := range list {
			add(d.Subject)
			add(d.Context)
			for i := range d.Related {
				add(&d.Related[i].Range)
			}
		}
	}
	return out
}

// A recalled is what is kept of an evaluation.
type recalled struct {
	answer *Answer      // nil when it is not true any more
	reads  *readlog.Log // what was read for it
	// changed is set when texts of the definition have changed and nothing else; then
	// the others are of what they were.
	changed             bool
	about, parts, graph string
}

// recall returns what is kept under a key.
func (m *Memory) recall(key evalcache.Key, dir string, o *Options) (r recalled, err error) {
	data, err := m.Cache.Get(key)
	if data == "" {
		return r, err
	}
	noted, rest, ok := varint.CutText(data)
	about, graph, ok2 := varint.CutText(rest)
	kept, graph, ok3 := varint.CutText(graph)
	if !ok || !ok2 || !ok3 {
		return r, errors.New("recall an evaluation: it is cut short")
	}
	if r.reads, err = readlog.Decode(noted); err != nil {
		return r, err
	}
	changed, texts, renewed := r.reads.CheckBut(o.fact, func(root, name, arg string) bool { return syntax.IsRead(dir, root, name, arg) })
	if changed != "" {
		return r, nil
	}
	if texts {
		r.changed, r.about, r.parts, r.graph = true, about, kept, graph
		return r, nil
	}
	g, err := derivations.ReadSnapshot(graph)
	if err != nil {
		return r, fmt.Errorf("recall an evaluation: %w", err)
	}
	a, err := o.answer(about, g)
	if err != nil {
		return r, err
	}
	a.dir = dir
	if renewed {
		a.Kept = m.Cache.Put(key, varint.AppendText(nil, string(r.reads.Append(nil))), []byte(rest))
	}
	r.answer = a
	return r, nil
}

// fact answers what [lang.AmbientDigest] was noted for.
func (o *Options) fact(name string) string {
	variable, ok := lang.FactVariable(name)
	if !ok {
		return ""
	}
	return lang.AmbientDigest(o.Variables, variable)
}

// answer reads what [written] wrote of a graph.
func (o *Options) answer(about string, g *derivations.Graph) (*Answer, error) {
	var kept memo
	if err := json.Unmarshal([]byte(about), &kept); err != nil {
		return nil, fmt.Errorf("recall an evaluation: %w", err)
	}
	a := &Answer{Shown: kept.Shown, Remembered: true, graph: g, files: kept.Files, archives: kept.Archives, given: given{values: kept.Given}, caches: lang.CacheSettings{Addresses: kept.Caches, Keys: kept.TrustedKeys}}
	hashes := g.Hashes()
	ref := func(r *memoRef) (derivations.Ref, error) {
		if r == nil || r.At < 0 || r.At >= len(hashes) {
			return derivations.Ref{}, errors.New("recall an evaluation: a target is not in its graph")
		}
		out := derivations.Ref{Derivation: hashes[r.At], Output: r.Output}
		if d, _ := g.Derivation(out.Derivation); !slices.Contains(d.OutputNames(), out.Output) {
			return out, errors.New("recall an evaluation: a target is no output")
		}
		return out, nil
	}
	for _, mt := range kept.Targets {
		t := Target{Label: mt.Label, System: mt.System}
		var err error
		if t.Ref, err = ref(&mt.Ref); err != nil {
			return nil, err
		}
		if mt.Shell != nil {
			shell, err := ref(mt.Shell)
			if err != nil {
				return nil, err
			}
			t.Shell = &shell
		}
		if t.System != nil {
			if t.System.Root, err = ref(mt.Root); err != nil {
				return nil, err
			}
			t.System.Provenance = o.provenance(kept.LockDigest)
		}
		a.Targets = append(a.Targets, t)
	}
	return a, nil
}
