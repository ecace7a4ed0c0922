package main

import (
	"archive/zip"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"sysc/internal/gitfetch/gittest"
)

// serve serves a directory over HTTP until the script ends, and sets a variable
// to its address.
//
//	serve VARIABLE DIR [OPTION...]
//
// The options are
//
//	truncate=NAME-PART   breaks answers about matching files off half way, always
//	break=NAME-PART      does so with the first answer about each of them
//	auth=USER:PASSWORD   answers nobody else
//	log=FILE             writes a line for each request: method, address, range
//	tls=FILE             speaks TLS, and writes its certificate, which nobody signed
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: serve VARIABLE DIR [OPTION...]")
	}
	dir := ts.MkAbs(args[1])
	serveHandler(ts, args[0], dir, http.FileServer(http.Dir(dir)), args[2:])
}

// serveHistory serves the past of archives as services do that keep it: below a directory
// there are states as NAME/TIME, and what is asked for at any other time is redirected to
// the last state before it.
//
//	servehistory VARIABLE DIR [OPTION...]
func serveHistory(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: servehistory VARIABLE DIR [OPTION...]")
	}
	dir := ts.MkAbs(args[1])
	files := http.FileServer(http.Dir(dir))
	serveHandler(ts, args[0], dir, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
		if len(parts) < 3 {
			http.NotFound(w, r)
			return
		}
		states, err := os.ReadDir(filepath.Join(dir, parts[0])) // sorted
		last := ""
		for _, s := range states {
			if s.Name() <= parts[1] {
				last = s.Name()
			}
		}
		switch {
		case err != nil || last == "":
			http.NotFound(w, r)
		case last != parts[1]:
			http.Redirect(w, r, "/"+parts[0]+"/"+last+"/"+parts[2], http.StatusFound)
		default:
			files.ServeHTTP(w, r)
		}
	}), args[2:])
}

// serveHandler serves what a handler has, with options of serve.
func serveHandler(ts *testscript.TestScript, variable, dir string, handler http.Handler, options []string) {
	certificate := ""
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "truncate":
			handler = truncating(handler, dir, value)
		case "break":
			handler = breaking(handler, truncating(handler, dir, value))
		case "auth":
			handler = authorized(handler, value)
		case "log":
			f, err := os.Create(ts.MkAbs(value))
			ts.Check(err)
			ts.Defer(func() { f.Close() })
			handler = logged(handler, f)
		case "tls":
			certificate = ts.MkAbs(value)
		default:
			ts.Fatalf("serve: unknown option %q", option)
		}
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that refuse it
	if certificate == "" {
		server.Start()
	} else {
		server.StartTLS()
		block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
		ts.Check(os.WriteFile(certificate, pem.EncodeToMemory(block), 0o644))
	}
	ts.Defer(server.Close)
	ts.Setenv(variable, server.URL)
}

// truncating breaks every answer about files with part in their name off half
// way, whatever range is asked for.
func truncating(next http.Handler, dir, part string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, part) {
			next.ServeHTTP(w, r)
			return
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:len(data)/2])
		w.(http.Flusher).Flush() // else nothing at all is sent
		panic(http.ErrAbortHandler)
	})
}

// breaking uses another handler for the first request of each address.
func breaking(next, first http.Handler) http.Handler {
	var seen sync.Map
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, again := seen.LoadOrStore(r.URL.Path, true); !again {
			first.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func authorized(next http.Handler, want string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user+":"+password != want {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func logged(next http.Handler, to *os.File) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(to, "%s %s %s\n", r.Method, r.URL, r.Header.Get("Range")) // one write: whole lines
		next.ServeHTTP(w, r)
	})
}

// mkzip makes a zip archive of what is below a directory.
//
//	mkzip FILE DIR
func mkzip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mkzip FILE DIR")
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	w := zip.NewWriter(f)
	ts.Check(w.AddFS(os.DirFS(ts.MkAbs(args[1]))))
	ts.Check(w.Close())
}

// serveGit serves the git repositories below a directory over HTTP until the
// script ends, and sets a variable to their address.
//
//	servegit VARIABLE DIR [auth=USER:PASSWORD] [log=FILE] [tls=FILE]
func serveGit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: servegit VARIABLE DIR [OPTION...]")
	}
	dir := ts.MkAbs(args[1])
	handler, err := gittest.Handler(dir, true)
	ts.Check(err)
	serveHandler(ts, args[0], dir, handler, args[2:])
}

// serveSSH serves the git repositories below a directory over ssh until the script
// ends, and sets a variable to their address. In the directory KEYS are the user's
// key and known_hosts, which ssh uses from now on.
//
//	servessh VARIABLE DIR KEYS
func serveSSH(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: servessh VARIABLE DIR KEYS")
	}
	keys := ts.MkAbs(args[2])
	ts.Check(os.Mkdir(keys, 0o700))
	address, stop, err := gittest.ServeSSH(ts.MkAbs(args[1]), keys)
	ts.Check(err)
	ts.Defer(stop)
	ts.Setenv(args[0], address)
	ts.Setenv("PATH", keys+string(filepath.ListSeparator)+ts.Getenv("PATH"))
}
