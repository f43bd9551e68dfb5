/** One example for each kind of interaction that this face serves, as the earlier component gave them. */
export const TEMPLATES = {
  confirmation: {
    name: "确认对话框",
    description: "用于需要用户确认的场景",
    example: {
      interaction_type: "confirmation",
      title: "确认操作",
      message: "是否继续执行？",
      options: [
        { value: "confirm", label: "确认" },
        { value: "cancel", label: "取消" },
      ],
      default_value: "cancel",
      timeout: 300,
    },
  },
  selection: {
    name: "选择列表",
    description: "用于需要用户从多个选项中选择的场景",
    example: {
      interaction_type: "selection",
      title: "选择环境",
      message: "请选择部署环境",
      options: [
        { value: "dev", label: "开发环境" },
        { value: "test", label: "测试环境" },
        { value: "prod", label: "生产环境" },
      ],
      multiple: false,
      timeout: 600,
    },
  },
  text_input: {
    name: "文本输入",
    description: "用于需要用户输入文字的场景",
    example: {
      interaction_type: "text_input",
      title: "填写说明",
      message: "请填写本次发布的说明",
      timeout: 900,
    },
  },
} as const;
