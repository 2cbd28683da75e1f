int main(void) {
    return work(1) + work(2);
}






static int work(int n) {
    return n + 1;
}
