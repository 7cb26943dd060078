export SSL_CERT_FILE=$CA GOFLAGS=-mod=mod GO111MODULE=off GOCACHE=$PWD/cache GOPATH=$PWD/path
cat >client.go <<'G'
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	for _, url := range []string{"https://" + os.Getenv("WEB"), "http://" + os.Getenv("PLAIN")} {
		answer, err := http.Get(url + "/who")
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		text, _ := io.ReadAll(answer.Body)
		fmt.Print(string(text))
	}
	if _, err := http.Get("https://" + os.Getenv("OTHER") + "/who"); err == nil {
		fmt.Println("REACHED")
	} else {
		fmt.Println("refused")
	}
}
G
go run client.go
