export default process.env.EXTERNAL ? { distDir: '.next-external', serverExternalPackages: ['crosslock'] } : {};
