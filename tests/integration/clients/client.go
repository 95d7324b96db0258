// SPDX-License-Identifier: BSD-2-Clause

// Asks akkod for everything that Go's client knows of HTTP/1: client URL CAFILE.
// One line per case, "ok NAME" or "FAIL NAME: why".
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"time"
)

type seen struct {
	Method, Target, Body string
	Fields               [][2]string
}

var (
	base   string
	client *http.Client
)

func do(method, path string, body io.Reader, edit func(*http.Request)) (*http.Response, []byte, error) {
	r, err := http.NewRequest(method, base+path, body)
	if err != nil {
		return nil, nil, err
	}
	if edit != nil {
		edit(r)
	}
	a, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	return a, data, err
}

func echo(method, path string, body io.Reader, edit func(*http.Request)) (*seen, error) {
	a, data, err := do(method, path, body, edit)
	if err != nil {
		return nil, err
	}
	if a.StatusCode != 200 {
		return nil, fmt.Errorf("status %d", a.StatusCode)
	}
	s := &seen{}
	return s, json.Unmarshal(data, s)
}

func expect(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// Hides the length of a reader, so that the body is sent in chunks.
type unknown struct{ io.Reader }

func get() error {
	s, err := echo("GET", "/a%20b?c=d&e", nil, nil)
	if err != nil {
		return err
	}
	return expect(s.Method == "GET" && s.Target == "/a%20b?c=d&e", "%v", s)
}

func head() error {
	a, data, err := do("HEAD", "/", nil, nil)
	if err != nil {
		return err
	}
	return expect(a.StatusCode == 200 && a.ContentLength > 0 && len(data) == 0,
		"%v", a)
}

func post() error {
	s, err := echo("POST", "/", strings.NewReader("hello"), nil)
	if err != nil {
		return err
	}
	return expect(s.Body == "hello", "%v", s)
}

func chunked() error {
	s, err := echo("POST", "/", unknown{strings.NewReader("hello")}, nil)
	if err != nil {
		return err
	}
	return expect(s.Body == "hello", "%v", s)
}

func requestTrailer() error {
	s, err := echo("POST", "/", unknown{strings.NewReader("hello")},
		func(r *http.Request) {
			r.Trailer = http.Header{"X-T": {"evil"}}
		})
	if err != nil {
		return err
	}
	return expect(s.Body == "hello", "%v", s)
}

func expect100() error {
	waited := false
	s, err := echo("POST", "/", strings.NewReader("hello"), func(r *http.Request) {
		r.Header.Set("Expect", "100-continue")
		*r = *r.WithContext(httptrace.WithClientTrace(r.Context(),
			&httptrace.ClientTrace{Got100Continue: func() { waited = true }}))
	})
	if err != nil {
		return err
	}
	return expect(s.Body == "hello" && waited, "%v", s)
}

func keepAlive() error {
	for n := 0; n < 20; n++ {
		reused := false
		_, err := echo("GET", "/", nil, func(r *http.Request) {
			*r = *r.WithContext(httptrace.WithClientTrace(r.Context(),
				&httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
					reused = i.Reused
				}}))
		})
		if err != nil {
			return err
		}
		if n > 0 && !reused {
			return errors.New("not the same connection")
		}
	}
	return nil
}

func large() error {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	_, data, err := do("PUT", "/mirror", bytes.NewReader(body), nil)
	if err != nil {
		return err
	}
	return expect(sha256.Sum256(data) == sha256.Sum256(body), "%d bytes", len(data))
}

func trailer() error {
	a, data, err := do("GET", "/trailer", nil, nil)
	if err != nil {
		return err
	}
	return expect(string(data) == "hello" && a.Trailer.Get("X-Sum") == "1",
		"%q %v", data, a.Trailer)
}

func hints() error {
	got := 0
	_, _, err := do("GET", "/hints", nil, func(r *http.Request) {
		*r = *r.WithContext(httptrace.WithClientTrace(r.Context(),
			&httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				if code == 103 && h.Get("Link") == "</a>" {
					got++
				}
				return nil
			}}))
	})
	if err != nil {
		return err
	}
	return expect(got == 2, "%d hints", got)
}

func truncated() error {
	for _, path := range []string{"/cut-length", "/cut-chunked"} {
		if _, _, err := do("GET", path, nil, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%s: %v", path, err)
		}
	}
	return nil
}

func early() error {
	a, data, err := do("POST", "/early", bytes.NewReader(make([]byte, 8<<20)), nil)
	if err != nil {
		return err
	}
	return expect(a.StatusCode == 413 && string(data) == "no", "%v %q", a, data)
}

func cancelled() error {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, _, err := do("GET", "/slow", nil, func(r *http.Request) { *r = *r.WithContext(ctx) })
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%v", err)
	}
	return get()
}

func parallel() error {
	errs := make(chan error)
	for k := 0; k < 10; k++ {
		go func() {
			var first error
			for n := 0; n < 20 && first == nil; n++ {
				t := fmt.Sprintf("/%d-%d", k, n)
				s, err := echo("GET", t, nil, nil)
				if err == nil && s.Target != t {
					err = fmt.Errorf("%s for %s", s.Target, t)
				}
				first = err
			}
			errs <- first
		}()
	}
	var all error
	for k := 0; k < 10; k++ {
		all = errors.Join(all, <-errs)
	}
	return all
}

func main() {
	base = os.Args[1]
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(os.Args[2])
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		panic("no certificate authority")
	}
	client = &http.Client{
		Timeout: 20 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:       &tls.Config{RootCAs: pool},
			TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
			ExpectContinueTimeout: 5 * time.Second,
			MaxIdleConnsPerHost:   20,
		},
	}
	failed := false
	for _, c := range []struct {
		name string
		run  func() error
	}{
		{"get", get}, {"head", head}, {"post", post}, {"chunked", chunked},
		{"request-trailer", requestTrailer}, {"expect", expect100},
		{"keep-alive", keepAlive}, {"large", large}, {"trailer", trailer},
		{"hints", hints}, {"truncated", truncated}, {"early", early},
		{"cancelled", cancelled}, {"parallel", parallel},
	} {
		if err := c.run(); err != nil {
			fmt.Printf("FAIL %s: %v\n", c.name, err)
			failed = true
		} else {
			fmt.Printf("ok %s\n", c.name)
		}
	}
	if failed {
		os.Exit(1)
	}
}
