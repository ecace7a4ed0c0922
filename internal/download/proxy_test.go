package download

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestProxy asks for what no name server knows through a proxy.
func TestProxy(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.String()+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		whole(w, r)
	}))
	defer proxy.Close()
	direct, directRequests := serve(t, whole)
	secret := strings.Replace(proxy.URL, "http://", "http://user:secret@", 1)
	for _, test := range []struct {
		setting string
		env     map[string]string
		url     string
		want    string // what the proxy is asked; an error otherwise
	}{
		{"environment", map[string]string{"HTTP_PROXY": proxy.URL}, "http://x.invalid/a", "GET http://x.invalid/a x.invalid "},
		{"environment", map[string]string{"http_proxy": proxy.URL}, "http://x.invalid/a", "GET http://x.invalid/a x.invalid "},
		{"environment", map[string]string{"HTTP_PROXY": secret}, "http://x.invalid/a", "GET http://x.invalid/a x.invalid Basic dXNlcjpzZWNyZXQ="},
		{"environment", map[string]string{"HTTPS_PROXY": secret}, "https://x.invalid/a", "CONNECT //x.invalid:443 x.invalid:443 Basic dXNlcjpzZWNyZXQ="},
		{proxy.URL, nil, "http://x.invalid/a", "GET http://x.invalid/a x.invalid "},
		{proxy.URL, nil, "https://x.invalid/a", "CONNECT //x.invalid:443 x.invalid:443 "},
		{proxy.URL, map[string]string{"NO_PROXY": "x.invalid"}, "http://x.invalid/a", ""},
		{"environment", map[string]string{"HTTP_PROXY": proxy.URL, "no_proxy": "invalid"}, "http://x.invalid/a", ""},
		{"none", map[string]string{"HTTP_PROXY": proxy.URL}, "http://x.invalid/a", ""},
		{proxy.URL, nil, direct + "/a", ""},
	} {
		asked = nil
		p, err := NewProxy(test.setting, func(name string) string { return test.env[name] })
		if err != nil {
			t.Fatal(err)
		}
		client := New(1, p)
		client.Backoff = 1
		client.HTTP.Transport.(*http.Transport).DialContext = dialHere
		r := request(t, test.url)
		err = client.Fetch(t.Context(), r)
		if got := strings.Join(asked, "|"); got != test.want {
			t.Errorf("%+v: the proxy was asked %q", test, got)
		}
		through := strings.Contains(fmt.Sprint(err), "through the proxy http://")
		switch {
		case strings.HasPrefix(test.want, "GET"), strings.HasPrefix(test.url, direct):
			checkDone(t, r, err)
		case err == nil || through != (test.want != "") || strings.Contains(err.Error(), "secret"):
			t.Errorf("%+v: got %v", test, err)
		}
		client.HTTP.CloseIdleConnections()
	}
	if got := directRequests(); len(got) != 1 {
		t.Errorf("the server was asked %q", got)
	}
	for _, bad := range []string{"", "localhost:3128", "ftp://user:secret@x", "http://", "http://user:secret@[x", "yes"} {
		if _, err := NewProxy(bad, func(string) string { return "" }); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// dialHere connects to this machine only.
func dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	if !strings.HasPrefix(address, "127.0.0.1:") {
		return nil, errors.New("elsewhere")
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// TestNewIgnoresEnvironment: what is not declared has no effect.
func TestNewIgnoresEnvironment(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	transport := New(1, nil).HTTP.Transport.(*http.Transport)
	if transport.Proxy != nil {
		t.Error("there is a proxy")
	}
}
