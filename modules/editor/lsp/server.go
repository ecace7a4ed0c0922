package lsp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sourcegraph/jsonrpc2"

	"sysc/lang/syntax"
	"sysc/modules"
	"sysc/modules/editor"
	"sysc/modules/lock"
)

// Serve answers an editor at the other end of a stream, which is closed at the
// end. opts are those with which definitions are evaluated, and find, if not nil,
// finds their modules. standard is a directory to which the texts of standard modules
// are written when an editor is to show one, "" for none. It returns when the editor says
// exit or hangs up, or with ctx.
func Serve(ctx context.Context, stream io.ReadWriteCloser, opts modules.Options, find editor.Finder, standard string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &server{opts: opts, find: find, standard: standard, encoding: utf16Units, sessions: map[string]*editor.Session{}, owners: map[string]*editor.Session{}, exit: stop}
	s.checks = newChecks(ctx, s)
	s.mu.Lock() // requests come as soon as there is a connection
	conn := jsonrpc2.NewConn(ctx, jsonrpc2.NewBufferedStream(stream, jsonrpc2.VSCodeObjectCodec{}),
		jsonrpc2.HandlerWithError(s.handle), jsonrpc2.SetLogger(quiet{}))
	s.conn = conn
	s.mu.Unlock()
	select {
	case <-conn.DisconnectNotify():
	case <-ctx.Done():
		conn.Close() // that it was closed already is no news
	}
	stop()
	s.checks.wait()
	return nil
}

// quiet is a logger for what the other end makes of the protocol: it gets errors
// as answers.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// A server is one editor's. Requests come one after another; checks run beside
// them.
type server struct {
	conn     *jsonrpc2.Conn
	opts     modules.Options
	find     editor.Finder
	standard string
	encoding encoding
	snippets bool
	// watches is set when the editor tells of files that others change, if asked.
	watches bool
	exit    func()
	checks  *checks

	// mu guards what requests and checks both use.
	mu       sync.Mutex
	sessions map[string]*editor.Session // by directory
	// owners are the definitions that directories of modules are checked with, by
	// directory; a definition is its own.
	owners map[string]*editor.Session
}

// A method answers one request; of a notification the result is not used.
type method func(s *server, params json.RawMessage) (any, error)

var methods = map[string]method{
	"initialize":                      with((*server).initialize),
	"initialized":                     func(s *server, _ json.RawMessage) (any, error) { return s.initialized() },
	"workspace/didChangeWatchedFiles": with((*server).didChangeWatchedFiles),
	"shutdown":                        nothing,
	"$/cancelRequest":                 nothing,
	"$/setTrace":                      nothing,
	"exit":                            func(s *server, _ json.RawMessage) (any, error) { s.exit(); return nil, nil },
	"textDocument/didOpen":            with((*server).didOpen),
	"textDocument/didChange":          with((*server).didChange),
	"textDocument/didSave":            with((*server).didSave),
	"textDocument/didClose":           with((*server).didClose),
	"textDocument/completion":         with((*server).completion),
	"textDocument/hover":              with((*server).hover),
	"textDocument/definition":         with((*server).definition),
	"textDocument/references":         with((*server).references),
	"textDocument/documentSymbol":     with((*server).symbols),
	"textDocument/formatting":         with((*server).formatting),
	"textDocument/prepareRename":      with((*server).prepareRename),
	"textDocument/rename":             with((*server).rename),
}

func nothing(*server, json.RawMessage) (any, error) { return nil, nil }

// with decodes the parameters of a method.
func with[P any](call func(*server, P) (any, error)) method {
	return func(s *server, params json.RawMessage) (any, error) {
		var p P
		if err := json.Unmarshal(params, &p); err != nil {
			return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: err.Error()}
		}
		return call(s, p)
	}
}

func (s *server) handle(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) (any, error) {
	m, ok := methods[req.Method]
	if !ok {
		return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeMethodNotFound, Message: "sysc does not know " + req.Method}
	}
	var params json.RawMessage
	if req.Params != nil {
		params = *req.Params
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return m(s, params)
}

func (s *server) initialize(p initializeParams) (any, error) {
	s.encoding = chooseEncoding(p.Capabilities.General.PositionEncodings)
	s.snippets = p.Capabilities.TextDocument.Completion.CompletionItem.SnippetSupport
	s.watches = p.Capabilities.Workspace.DidChangeWatchedFiles.DynamicRegistration
	return initializeResult{
		Capabilities: serverCapabilities{
			PositionEncoding:           string(s.encoding),
			TextDocumentSync:           syncOptions{OpenClose: true, Change: syncFull, Save: true},
			CompletionProvider:         completionOptions{TriggerCharacters: []string{".", `"`}},
			HoverProvider:              true,
			DefinitionProvider:         true,
			ReferencesProvider:         true,
			DocumentSymbolProvider:     true,
			DocumentFormattingProvider: true,
			RenameProvider:             renameOptions{PrepareProvider: true},
		},
		ServerInfo: serverInfo{Name: "sysc", Version: s.opts.Version},
	}, nil
}

// watched are the files that others may change: what is evaluated, and what sysc
// lock writes.
var watched = []string{"**/*" + syntax.Extension, "**/*" + syntax.JSONExtension, "**/" + lock.FileName}

// initialized asks to be told when files change.
func (s *server) initialized() (any, error) {
	if !s.watches {
		return nil, nil
	}
	var watchers []watcher
	for _, glob := range watched {
		watchers = append(watchers, watcher{GlobPattern: glob})
	}
	p := registrationParams{Registrations: []registration{{
		ID: "files", Method: "workspace/didChangeWatchedFiles", RegisterOptions: watchOptions{Watchers: watchers},
	}}}
	// Requests are handled one after another, so nobody may wait for an answer here.
	// An editor that does not want to watch says so, and that is that.
	_, err := s.conn.DispatchCall(s.checks.ctx, "client/registerCapability", p)
	return nil, err
}

// didChangeWatchedFiles checks definitions again whose files somebody else has
// changed.
func (s *server) didChangeWatchedFiles(p watchedParams) (any, error) {
	for _, change := range p.Changes {
		path, err := pathOf(change.URI)
		if err != nil {
			continue // nothing of a definition
		}
		dir, name := filepath.Split(path)
		if session, ok := s.sessions[filepath.Clean(dir)]; ok && session.IsOpen(name) {
			continue // what is being written counts
		}
		for _, session := range s.sessions {
			if len(session.Opened()) == 0 {
				continue
			}
			if session.Dir() == filepath.Clean(dir) || session.Uses(filepath.Clean(dir)) {
				s.checks.all(s.owner(session))
			}
		}
	}
	return nil, nil
}

// A document is a text of a session.
type document struct {
	*editor.Session
	name string
}

// document finds the session that a text belongs to, or begins one.
func (s *server) document(id documentID) (document, error) {
	path, err := pathOf(id.URI)
	if err != nil {
		return document{}, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: fmt.Sprintf("find document: %v", err)}
	}
	dir, name := filepath.Split(path)
	return document{s.session(filepath.Clean(dir)), name}, nil
}

func (s *server) session(dir string) *editor.Session {
	session, ok := s.sessions[dir]
	if !ok {
		session = editor.New(dir, &s.opts, s.find)
		s.sessions[dir] = session
	}
	return session
}

// owner returns the definition that a directory is checked with: the one that uses
// it, for a module, and otherwise itself.
func (s *server) owner(session *editor.Session) *editor.Session {
	dir := session.Dir()
	if known, ok := s.owners[dir]; ok {
		return known
	}
	owner := session
	if session.IsModule() {
		for _, candidate := range editor.Candidates(dir) {
			if c := s.session(candidate); c.Uses(dir) {
				owner = c
				break
			}
		}
	}
	s.owners[dir] = owner
	return owner
}

// put opens or changes a text, for whoever evaluates it.
func (s *server) put(d document, text []byte) {
	d.Open(d.name, text)
	if owner, name, ok := s.inOwner(d); ok {
		owner.Open(name, text)
	}
}

// inOwner returns what the definition that uses a module calls one of its texts.
func (s *server) inOwner(d document) (owner *editor.Session, name string, ok bool) {
	owner = s.owner(d.Session)
	if owner == d.Session {
		return nil, "", false
	}
	name, ok = owner.NameOf(d.Dir(), d.name)
	return owner, name, ok
}

func (s *server) didOpen(p didOpenParams) (any, error) {
	d, err := s.document(documentID{p.TextDocument.URI})
	if err != nil {
		return nil, err
	}
	s.put(d, []byte(p.TextDocument.Text))
	s.checks.all(s.owner(d.Session))
	return nil, nil
}

func (s *server) didChange(p didChangeParams) (any, error) {
	d, err := s.document(p.TextDocument)
	if err != nil || len(p.ContentChanges) == 0 {
		return nil, err
	}
	s.put(d, []byte(p.ContentChanges[len(p.ContentChanges)-1].Text))
	s.checks.form(d)
	return nil, nil
}

func (s *server) didSave(p documentParams) (any, error) {
	d, err := s.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	s.adopt()
	s.checks.all(s.owner(d.Session))
	return nil, nil
}

// adopt finds out anew who uses which modules, and gives the texts that are open to
// whoever evaluates them.
func (s *server) adopt() {
	for dir, owner := range s.owners {
		session := s.sessions[dir]
		for _, name := range session.Opened() {
			if inOwner, ok := owner.NameOf(dir, name); ok && owner != session {
				owner.Close(inOwner)
			}
		}
	}
	clear(s.owners)
	for _, dir := range slices.Sorted(maps.Keys(s.sessions)) {
		session := s.sessions[dir]
		for _, name := range session.Opened() {
			if text, ok := session.Text(name); ok && filepath.Base(name) == name {
				s.put(document{session, name}, text)
			}
		}
	}
}

func (s *server) didClose(p documentParams) (any, error) {
	d, err := s.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	d.Close(d.name)
	if owner, name, ok := s.inOwner(d); ok {
		owner.Close(name)
	}
	return nil, nil
}
