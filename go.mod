module libawq

go 1.25
