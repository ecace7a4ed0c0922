package ocifetch_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"sysc/internal/download"
	"sysc/internal/ocifetch"
	"sysc/internal/ocifetch/ocitest"
)

const secret = "geheim"

// reference is an image of a server.
func reference(t testing.TB, server *httptest.Server, rest string) ocifetch.Reference {
	t.Helper()
	_, host, _ := strings.Cut(server.URL, "://")
	r, err := ocifetch.ParseReference(host + "/team/app" + rest)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// withImage returns a registry that has an image called "1", and its digest.
func withImage(t testing.TB) (*ocitest.Registry, string) {
	t.Helper()
	r := ocitest.New()
	archive, err := ocitest.Tar()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := r.Image("team/app", "1", "linux/amd64", ocitest.Plain(archive))
	if err != nil {
		t.Fatal(err)
	}
	return r, digest
}

func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// fetchLayers fetches all layers of an image.
func fetchLayers(t testing.TB, c *ocifetch.Client, r ocifetch.Reference) error {
	t.Helper()
	image, err := c.Open(t.Context(), r, "linux/amd64")
	if err != nil {
		return err
	}
	for i, l := range image.Layers {
		ctx, client, request := image.Fetcher(t.Context(), l)
		request.Dest = filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := client.Fetch(ctx, request); err != nil {
			return err
		}
	}
	return nil
}

func TestResolveAndTags(t *testing.T) {
	r, digest := withImage(t)
	for i := range 2500 { // three pages
		if _, err := r.Image("team/app", fmt.Sprintf("v%d", i), "linux/amd64"); err != nil {
			t.Fatal(err)
		}
	}
	server := serve(t, paged(r))
	c := &ocifetch.Client{Download: download.New(1, nil)}
	got, err := c.Resolve(t.Context(), reference(t, server, ":1"))
	if err != nil || got.String() != digest {
		t.Errorf("%v, got %v, want %v", err, got, digest)
	}
	tags, err := c.Tags(t.Context(), reference(t, server, ""))
	if err != nil || len(tags) != 2501 || !slices.IsSorted(tags) || tags[0] != "1" {
		t.Errorf("%v, %d tags", err, len(tags))
	}
	var missing *ocifetch.MissingError
	if _, err := c.Resolve(t.Context(), reference(t, server, ":2")); !errors.As(err, &missing) {
		t.Errorf("a tag that is not there: %v", err)
	}
	if err := fetchLayers(t, c, reference(t, server, "@"+digest)); err != nil {
		t.Error(err)
	}
}

// paged says that there is more behind a full page of tags.
func paged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			next.ServeHTTP(w, r)
			return
		}
		page := httptest.NewRecorder()
		next.ServeHTTP(page, r)
		var list struct{ Tags []string }
		if json.Unmarshal(page.Body.Bytes(), &list) == nil && fmt.Sprint(len(list.Tags)) == r.URL.Query().Get("n") {
			w.Header().Set("Link", fmt.Sprintf("<%s?n=%d&last=%s>; rel=\"next\"", r.URL.Path, len(list.Tags), list.Tags[len(list.Tags)-1]))
		}
		w.Write(page.Body.Bytes())
	})
}

// basic lets in who has the password.
func basic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ada" || password != secret {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearer lets in who has a token, and gives one to who has the password.
func bearer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch user, password, _ := r.BasicAuth(); {
		case r.URL.Path == "/token" && user == "ada" && password == secret && r.URL.Query().Get("scope") == "repository:team/app:pull":
			json.NewEncoder(w).Encode(map[string]string{"token": "let-in"})
		case r.Header.Get("Authorization") == "Bearer let-in":
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
}

// keychain has a password for one host.
type keychain struct{ host string }

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if r.RegistryStr() != k.host {
		return authn.Anonymous, nil
	}
	return &authn.Basic{Username: "ada", Password: secret}, nil
}

// TestPasswords: a password goes to its registry, from netrc or from a keychain, and is in
// no message.
func TestPasswords(t *testing.T) {
	r, digest := withImage(t)
	for name, around := range map[string]func(http.Handler) http.Handler{"basic": basic, "bearer": bearer} {
		server := serve(t, around(r))
		ref := reference(t, server, "@"+digest)
		_, host, _ := strings.Cut(server.URL, "://")
		netrc, err := download.ParseNetrc("machine 127.0.0.1 login ada password " + secret)
		if err != nil {
			t.Fatal(err)
		}
		wrong, err := download.ParseNetrc("machine 127.0.0.1 login ada password " + secret + "x")
		if err != nil {
			t.Fatal(err)
		}
		withNetrc := download.New(1, nil)
		withNetrc.Netrc = netrc
		withWrong := download.New(1, nil)
		withWrong.Netrc = wrong
		for which, c := range map[string]*ocifetch.Client{
			"netrc":    {Download: withNetrc},
			"keychain": {Download: download.New(1, nil), Keychain: keychain{host}},
		} {
			if err := fetchLayers(t, c, ref); err != nil {
				t.Errorf("%s, %s: %v", name, which, err)
			}
		}
		for which, c := range map[string]*ocifetch.Client{
			"none": {Download: download.New(1, nil)}, "another host's": {Download: download.New(1, nil), Keychain: keychain{"example.org"}}, "wrong": {Download: withWrong},
		} {
			err := fetchLayers(t, c, ref)
			if err == nil || !strings.Contains(err.Error(), "passwords are taken from") || strings.Contains(err.Error(), secret) || ocifetch.IsTransient(err) {
				t.Errorf("%s, %s: got %v", name, which, err)
			}
		}
	}
}

// TestPasswordStays: a registry that sends us elsewhere for a layer sends no password
// along.
func TestPasswordStays(t *testing.T) {
	r, digest := withImage(t)
	var told atomic.Bool
	elsewhere := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			told.Store(true)
		}
		r.ServeHTTP(w, req)
	}))
	server := serve(t, basic(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/blobs/") {
			http.Redirect(w, req, elsewhere.URL+req.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		r.ServeHTTP(w, req)
	})))
	c := &ocifetch.Client{Download: download.New(1, nil)}
	var err error
	if c.Download.Netrc, err = download.ParseNetrc("machine 127.0.0.1 login ada password " + secret); err != nil {
		t.Fatal(err)
	}
	if err := fetchLayers(t, c, reference(t, server, "@"+digest)); err != nil {
		t.Fatal(err)
	}
	if told.Load() {
		t.Error("the password went to another server")
	}
}

// TestTLS: a certificate has to be vouched for.
func TestTLS(t *testing.T) {
	r, digest := withImage(t)
	server := httptest.NewUnstartedServer(bearerTLS(r))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that refuse it
	server.StartTLS()
	t.Cleanup(server.Close)
	ref := reference(t, server, "@"+digest)
	if err := fetchLayers(t, &ocifetch.Client{Download: download.New(1, nil)}, ref); err == nil || ocifetch.IsTransient(err) {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	trusting := download.New(1, nil)
	trusting.HTTP.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	if err := fetchLayers(t, &ocifetch.Client{Download: trusting}, ref); err != nil {
		t.Error(err)
	}
}

// bearerTLS wants a token that everybody gets.
func bearerTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			json.NewEncoder(w).Encode(map[string]string{"access_token": "let-in"})
		case r.Header.Get("Authorization") == "Bearer let-in":
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
}

// asked counts what would have gone out.
type asked struct{ plain, all atomic.Int32 }

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	a.all.Add(1)
	if r.URL.Scheme == "http" {
		a.plain.Add(1)
	}
	return nil, errors.New("no network here")
}

// TestNoPlainHTTP: what looks like a private network is asked over TLS as well.
func TestNoPlainHTTP(t *testing.T) {
	for _, host := range []string{"10.1.2.3:5000", "192.168.0.1", "registry.local", "example.org", "localhost.example.org:80"} {
		r, err := ocifetch.ParseReference(host + "/a:1")
		if err != nil {
			t.Fatal(err)
		}
		a := &asked{}
		c := &ocifetch.Client{Download: &download.Client{HTTP: &http.Client{Transport: a}}}
		if _, err := c.Resolve(t.Context(), r); err == nil || a.plain.Load() > 0 || a.all.Load() == 0 {
			t.Errorf("%s: %v, %d requests, %d without TLS", host, err, a.all.Load(), a.plain.Load())
		}
	}
}

// TestHostileRegistry: what a registry answers is compared, bounded, and not waited for
// without end.
func TestHostileRegistry(t *testing.T) {
	r, digest := withImage(t)
	good := reference(t, serve(t, r), "@"+digest)
	changed := func(change func(w http.ResponseWriter, req *http.Request) bool) *httptest.Server {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if !change(w, req) {
				r.ServeHTTP(w, req)
			}
		}))
	}
	manifests := func(answer func(w http.ResponseWriter)) *httptest.Server {
		return changed(func(w http.ResponseWriter, req *http.Request) bool {
			is := strings.Contains(req.URL.Path, "/manifests/") || strings.Contains(req.URL.Path, "/tags/")
			if is {
				answer(w)
			}
			return is
		})
	}
	c := &ocifetch.Client{Download: download.New(1, nil), Silence: time.Second}
	if err := fetchLayers(t, c, good); err != nil {
		t.Fatal(err)
	}
	endless := func(w http.ResponseWriter) {
		for _, err := w.Write([]byte(`{"schemaVersion": 2, "annotations": {"a": "`)); err == nil; {
			_, err = w.Write(make([]byte, 1<<16))
		}
	}
	for name, test := range map[string]struct {
		server    *httptest.Server
		want      string
		verify    bool
		transient bool
	}{
		"another manifest": {manifests(func(w http.ResponseWriter) { w.Write([]byte("{}")) }), "the registry gave another manifest", true, false},
		"endless":          {manifests(endless), "the answer is too long", true, false},
		"busy":             {manifests(func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }), "503", false, true},
		"refused":          {manifests(func(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) }), "418", false, false},
		"silent":           {changed(func(_ http.ResponseWriter, req *http.Request) bool { <-req.Context().Done(); return true }), "the registry fell silent", false, true},
		"a config of another": {changed(func(w http.ResponseWriter, req *http.Request) bool {
			if strings.Contains(req.URL.Path, "/blobs/") {
				w.Write([]byte("{}"))
			}
			return strings.Contains(req.URL.Path, "/blobs/")
		}), "the registry gave another content", true, false},
	} {
		err := fetchLayers(t, c, reference(t, test.server, "@"+digest))
		if err == nil || !strings.Contains(err.Error(), test.want) || errors.As(err, new(*ocifetch.VerifyError)) != test.verify || ocifetch.IsTransient(err) != test.transient {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := c.Tags(t.Context(), reference(t, manifests(endless), "")); err == nil {
		t.Error("endless tags are accepted")
	}
	circle := manifests(func(w http.ResponseWriter) {
		w.Header().Set("Link", `</v2/team/app/tags/list?last=x>; rel="next"`)
		json.NewEncoder(w).Encode(map[string][]string{"tags": {"a"}})
	})
	if _, err := c.Tags(t.Context(), reference(t, circle, "")); err == nil {
		t.Error("pages without end are accepted")
	}
	gone := serve(t, r)
	ref := reference(t, gone, "@"+digest)
	gone.Close()
	if err := fetchLayers(t, c, ref); !ocifetch.IsTransient(err) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestUserKeychain reads what docker login writes.
func TestUserKeychain(t *testing.T) {
	r, digest := withImage(t)
	server := serve(t, basic(r))
	_, host, _ := strings.Cut(server.URL, "://")
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", "")
	if err := os.Mkdir(filepath.Join(home, ".docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{"auths": {%q: {"auth": "YWRhOmdlaGVpbQ=="}}}`, host) // ada:geheim
	if err := os.WriteFile(filepath.Join(home, ".docker", "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fetchLayers(t, &ocifetch.Client{Download: download.New(1, nil), Keychain: ocifetch.UserKeychain()}, reference(t, server, "@"+digest)); err != nil {
		t.Error(err)
	}
}
