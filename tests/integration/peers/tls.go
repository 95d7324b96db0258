// SPDX-License-Identifier: BSD-2-Clause

// Go's TLS 1.3 as a peer: tls client ADDRESS HOST, tls server ADDRESS CERT KEY.
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func fail(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// Bodies of many sizes up and down on one connection, resumed once.
func client(address, host string) {
	cache := tls.NewLRUClientSessionCache(10)
	for round := 0; round < 2; round++ {
		t := &http.Transport{
			Dial: func(string, string) (net.Conn, error) {
				return net.Dial("tcp", address)
			},
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
				MinVersion: tls.VersionTLS13, ServerName: host,
				ClientSessionCache: cache},
		}
		c := &http.Client{Transport: t}
		for n := 1; n < 1<<24; n *= 7 {
			body := make([]byte, n)
			rand.Read(body)
			r, err := c.Post("https://"+host+"/go", "x/y", bytes.NewReader(body))
			fail(err)
			got, err := io.ReadAll(r.Body)
			fail(err)
			if r.TLS.DidResume != (round == 1) || !bytes.Equal(got, body) {
				fail(fmt.Errorf("round %d, %d bytes", round, n))
			}
		}
		t.CloseIdleConnections()
	}
	fmt.Println("ok")
}

func main() {
	if os.Args[1] == "client" {
		client(os.Args[2], os.Args[3])
		return
	}
	fail(http.ListenAndServeTLS(os.Args[2], os.Args[3], os.Args[4],
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Write(make([]byte, 1<<20))
		})))
}
