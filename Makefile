# The two commands a newcomer needs; both install what is missing and say what they are doing.

.PHONY: help demo test

help:
	@echo "make demo    build Voorveld and run it with a simulated municipality; prints the page to open"
	@echo "make test    run every check and test, on a real PostgreSQL and a real Apache Kafka"

demo:
	@scripts/install.sh demo
	@echo "── building (some minutes the first time)"
	@SQLX_OFFLINE=true cargo build --profile demo --locked -p voorveld
	@exec target/demo/voorveld demo $(ARGS)

test:
	@scripts/test.sh
